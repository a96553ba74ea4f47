"""What an author of the course runs, from a checkout."""
