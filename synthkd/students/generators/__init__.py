"""Students that write: any causal or sequence-to-sequence checkpoint, trained on the rows of a kind."""
