"""Where the data comes from: the execution ticket, its validation, its stores."""
