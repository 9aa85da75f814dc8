"""The loop over labelled text: the errors of a classifier student decide the next texts."""
