"""What engines' own endpoints tell: metrics of each dialect, asked at a bearable pace, as an `EngineReading`."""
