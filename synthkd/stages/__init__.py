"""The stages of a run, one file each; `synthkd.pipeline` puts them in a row."""
