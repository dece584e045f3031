"""What is measured: hosts watched by a probe or read from Prometheus, joined into `fleet.readings`."""
