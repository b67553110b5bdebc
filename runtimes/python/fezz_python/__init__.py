"""What launch.py serves functions with; on the path under a name that no function uses."""
