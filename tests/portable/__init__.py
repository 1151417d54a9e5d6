"""What works on any system."""
