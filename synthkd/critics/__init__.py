"""Critics: label sheets, features, models, calibration, cards."""
