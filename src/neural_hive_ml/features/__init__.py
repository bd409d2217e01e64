"""One definition of a feature row for training, serving and drift; point-in-time statistics."""
