"""The encoder critic: a fine-tuned cross-encoder, or a linear head on a frozen one."""

from synthkd.critics.encoder.critic import EncoderCritic

__all__ = ["EncoderCritic"]
