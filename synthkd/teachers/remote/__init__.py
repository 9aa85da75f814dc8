"""Parts that all backends share which ask a provider over HTTP.

module               subject
-------------------  --------------------------------------------------------------
`teacher`            the base class of such backends
`sending`            one request of synthkd as requests over HTTP, and their answers
`wire_format`        how a provider's API takes requests and gives answers
`endpoint`           addresses, headers and secrets
`transport`          one request to an endpoint
`http`               the clients that carry it
`parameter_support`  parameters that a server takes, learned from its refusals
`responses`          a body as completions and failures
`message_content`    text, refusal, thoughts and finish reason of a choice
`logprobs`           log-probabilities of a choice
`usage`              token counts and cost
`embedded_errors`    errors inside a body of status 200
`error_responses`    errors by status and body
"""
