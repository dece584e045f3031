"""What one more model would come to: where it fits now, after others have moved, instead of others, on a new host."""
