"""The encoder critic: a fine-tuned cross-encoder, or a linear head on a frozen one.

`critic` is the plug-in, `texts` what the encoder reads of a row. `cross_encoder` and `training` are
the fine-tuned one, `head` the linear one.
"""

from synthkd.critics.encoder.critic import EncoderCritic

__all__ = ["EncoderCritic"]
