"""What Wemmick's tests, testbed and demo share. Standard library only."""
