"""From pictures to readings: scorers, their calibration, and pictures that people rated."""
