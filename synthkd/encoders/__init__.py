"""Transformers encoders, for critics, students and pools of teachers.

load          load checkpoints that cannot run code; find again the encoder of a trained artefact
reference     name a frozen encoder by its content
device        devices, half precision, seeds
batches       tokenise texts; batches for training and for scoring
forward       mean pooling; run a module over many texts
frozen        embed texts with a frozen encoder, each text once
fine_tuning   the training loop: warm-up, class weights, the best epoch
"""
