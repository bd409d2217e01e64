"""Does the present still look like what the models learned: a test with a stated false-alarm rate, and an
effect.
"""
