"""What to do about it: a policy that decides with reasons, and the job that acts."""
