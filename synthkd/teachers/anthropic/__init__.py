"""The backend `anthropic`: the Messages API.

module    subject
--------  ---------------------------------------------------------------
`teacher` the backend
`options` its options, and the surcharge of a prompt cache
`format`  requests and answers of the API
"""

from synthkd.teachers.anthropic.teacher import AnthropicTeacher

__all__ = ["AnthropicTeacher"]
