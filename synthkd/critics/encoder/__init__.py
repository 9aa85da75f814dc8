"""The encoder critic: a transformers encoder, fine-tuned as a cross-encoder or frozen under a linear head."""

from synthkd.critics.encoder.critic import EncoderCritic

__all__ = ["EncoderCritic"]
