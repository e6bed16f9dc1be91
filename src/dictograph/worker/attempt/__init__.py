"""What an attempt at a job has, what becomes of it, and who learns of that."""
