"""What was probably meant by a mistake that many make."""
