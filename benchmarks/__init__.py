"""What does the role cost in time, beside what one would write by hand? `make bench` measures it."""
