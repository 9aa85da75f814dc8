"""The student steers the teacher: rounds, what they mine, allocate and report."""
