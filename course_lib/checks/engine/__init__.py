"""The one engine of all checks: what runs an optimizer, compares two paths, and reports."""
