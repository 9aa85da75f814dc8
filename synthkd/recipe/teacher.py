"""The parts of a recipe that say who is asked, how, and within which limits."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator

from synthkd.recipe.parts import RecipePart
from synthkd.secrets import Headers, Url, has_token, looks_random


class SamplingPart(RecipePart):
    """Sampling parameters. All but `n` and `logprobs` are part of the request's key."""

    n: int = Field(1, ge=1, description="Samples for each request.")
    temperature: float | None = Field(1.0, ge=0, description="0 is greedy.")
    top_p: float | None = Field(
        None, gt=0, le=1, description="Nucleus: keep the smallest set of this mass."
    )
    top_k: int | None = Field(None, ge=1, description="Keep the k most likely tokens.")
    max_tokens: int = Field(64, ge=1, description="Longest answer, in tokens.")
    stop: list[str] = Field(default_factory=list, description="Texts that end an answer.")
    seed: int | None = Field(0, description="Seed of the samples; null sends none.")
    presence_penalty: float | None = Field(None, description="As in the OpenAI protocol.")
    frequency_penalty: float | None = Field(None, description="As in the OpenAI protocol.")
    logprobs: bool = Field(
        False, description="Ask for token log-probabilities; the NLL rule and critics use them."
    )
    response_format: dict[str, Any] | None = Field(
        None,
        description="As in the OpenAI protocol. `teacher.structured` fills it from the kind's"
        " schema.",
    )
    reasoning_effort: str | None = Field(
        None,
        description="For reasoning models, such as `low`; `max_tokens` then counts their thoughts"
        " too.",
    )
    regex: str | None = Field(
        None,
        description="Regular expression that an answer must match whole; vLLM, servers with"
        " `structured_outputs`, and local"
        " models keep to it. `teacher.constrained` fills it from the kind.",
    )
    grammar: str | None = Field(
        None,
        description="Grammar of the answer, likewise: EBNF as the server has it; Lark for local"
        " models.",
    )
    extra_body: dict[str, Any] = Field(
        default_factory=dict,
        description="Further fields of the request, sent as they stand; not those that synthkd"
        " fills in itself.",
    )

    @field_validator("extra_body")
    @classmethod
    def _not_ours(cls, body: dict[str, Any]) -> dict[str, Any]:
        for name in body:
            if remedy := OWN_FIELDS.get(name):
                raise ValueError(f"{name!r} {remedy}")
        return body


#: Fields of a request that `extra_body` must not hold, since what a request may cost, who answers,
#: or how an answer is read depends on them; and what to write instead.
OWN_FIELDS = {
    **dict.fromkeys(
        (
            "max_tokens",
            "max_completion_tokens",
            "max_output_tokens",
            "max_new_tokens",
            "n_predict",
            "num_predict",
        ),
        "would pass the budget's bound: set `sampling.max_tokens`",
    ),
    **dict.fromkeys(
        ("n", "best_of", "num_return_sequences", "use_beam_search"),
        "would pass the budget's bound: set `sampling.n`",
    ),
    **dict.fromkeys(("model", "models", "route"), "says who answers: set `teacher.model`"),
    **dict.fromkeys(
        ("messages", "prompt", "input", "suffix", "echo"), "is what the prompt's template fills in"
    ),
    "seed": "is set by `sampling.seed`, differently for each sample",
    **dict.fromkeys(("stream", "stream_options"), "changes how answers come, which are read whole"),
}
#: Fields by which a provider charges more than tokens read and written at the usual price.
COSTLY_FIELDS = (
    "service_tier",
    "prediction",
    "tools",
    "web_search_options",
    "plugins",
    "modalities",
    "audio",
)


class PricePart(RecipePart):
    """Prices in dollars per million tokens."""

    input: float = Field(0.0, ge=0, description="Prompt tokens.")
    output: float = Field(0.0, ge=0, description="Completion tokens.")
    cached: float | None = Field(
        None,
        ge=0,
        description="Prompt tokens that the provider had in its cache. Default: as `input`.",
    )
    cache_write: float | None = Field(
        None,
        ge=0,
        description="Prompt tokens that the provider has put into its cache. Default: as `input`;"
        " for `anthropic`, its surcharge.",
    )


class TeacherPart(RecipePart):
    """The model that writes, and how it is reached."""

    backend: str = Field(
        "transformers",
        description="`openai`, `anthropic`, `gemini`, a Batch API (`openai-batch` …), `vllm`,"
        " `transformers`, `recorded`, `pool`, or one from a plugin.",
    )
    model: str | None = Field(
        None,
        description="Model name, checkpoint folder, GGUF file, hub name or `HUB-NAME:FILE.gguf`;"
        " `synthkd/everyday` is the embedded teacher.",
    )
    revision: str | None = Field(None, description="Hub revision of a local model.")
    identity: str | None = Field(
        None, description="Name for who answers, in place of model and address, in the key."
    )
    base_url: Url | list[Url] | None = Field(
        None,
        description="Address of an OpenAI-compatible server, up to and with `/v1`; a list for"
        " several endpoints of"
        " one model, over which the load is balanced. `$NAME` is taken from the environment; a"
        " password or key in clear"
        " is refused.",
    )
    headers: Headers = Field(
        default_factory=Headers,
        description="Further headers; `$NAME` is taken from the environment. Credentials in clear"
        " are refused.",
    )
    api_version: str | None = Field(
        None, description="For Azure: sent as `api-version`, with the key in the header `api-key`."
    )
    proxy: Url | None = Field(
        None,
        description="HTTP proxy, such as `http://$PROXY_USER:$PROXY_PASSWORD@host:3128`. Default:"
        " what `HTTP_PROXY`,"
        " `HTTPS_PROXY` and `NO_PROXY` say.",
    )
    ca_file: str | None = Field(
        None, description="File of the authorities that TLS certificates may come from."
    )
    api_key_env: str | None = Field(
        None,
        description="Environment variable that holds the key. Default: the backend's, such as"
        " `OPENAI_API_KEY`. Keys are never written in a recipe.",
    )
    chat: bool | None = Field(
        None,
        description="Chat (true) or plain completions (false), for `openai`. Default: what the"
        " template says.",
    )
    token_limit: Literal["max_tokens", "max_completion_tokens"] | None = Field(
        None,
        description="Name under which `sampling.max_tokens` is sent. Default: what the server"
        " takes, as its refusal tells.",
    )
    finish_reasons: list[str] = Field(
        default_factory=list,
        description="Further finish reasons of this server that mean a whole answer; `unknown` for"
        " answers that come"
        " without one. All that is not known to mean so is rejected.",
    )
    concurrency: int = Field(64, ge=1, description="Requests in flight at most.")
    adaptive: bool = Field(
        True,
        description="Find how many requests in flight the server bears, up to `concurrency`. False:"
        " send as many.",
    )
    timeout: float = Field(120.0, gt=0, description="Seconds until a try counts as hung.")
    max_answer_megabytes: float = Field(
        64.0,
        gt=0,
        description="Size of an answer's body at most, decoded. What is larger is not read: it"
        " counts as a bad response.",
    )
    deadline: float | None = Field(
        None, gt=0, description="Seconds until a request is given up, all its tries together."
    )
    max_attempts: int = Field(6, ge=1, description="Tries of one request, the first included.")
    batch_size: int = Field(
        64,
        ge=1,
        description="Prompts in one batch of a local model, of at most 256 samples together.",
    )
    device: str | None = Field(
        None, description="Device of a local model. Default: a GPU where there is one."
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="Number type of a local model. `auto`: float32 for a checkpoint in float32; for"
        " one in half precision, bfloat16 where this machine computes faster in it.",
    )
    threads: int | None = Field(None, ge=1, description="CPU threads of a local model.")
    path: str | None = Field(
        None, description="File of recorded rows, or of the labelled rows of a pool."
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="A field to the file's column. For `recorded`: `input_id`, `sample_index`,"
        " `text`, `logprob`, `model`; for"
        " `pool`: `text`, `label`.",
    )
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="Options of the backend; [its section](plugins.md#backends) lists them.",
    )
    price: PricePart | None = Field(
        None, description="Prices, for the cost column. Unknown prices stay unknown."
    )
    structured: bool = Field(
        False,
        description="Ask for answers as JSON that keeps to the kind's schema, and check them again."
        " The template must"
        " ask for JSON too.",
    )
    constrained: bool = Field(
        False,
        description="Let the model say only what the kind's regular expression allows"
        " (`sampling.regex`).",
    )
    sampling: SamplingPart = Field(default_factory=SamplingPart, description="Sampling parameters.")

    @field_validator("api_key_env")
    @classmethod
    def _is_a_name(cls, name: str | None) -> str | None:
        if name and (
            not re.fullmatch(r"[A-Za-z_]\w*", name) or has_token(name) or looks_random(name)
        ):
            # Not shown: it may be the key.
            raise ValueError(
                "the name of an environment variable is needed here, not the key itself"
            )
        return name


class LimitsPart(RecipePart):
    """Limits of spending and pace. The corpus does not depend on them."""

    dollars: float | None = Field(
        None,
        gt=0,
        description="What the run may cost, over all its resumptions. `--budget` on the command"
        " line.",
    )
    tokens: int | None = Field(
        None,
        ge=1,
        description="Tokens that may be read and written, over all resumptions. `--max-tokens`.",
    )
    requests_per_minute: float | None = Field(None, gt=0, description="Requests in any 60 seconds.")
    tokens_per_minute: float | None = Field(
        None, gt=0, description="Tokens, read and written, in any 60 seconds."
    )
    patience: float = Field(
        300.0, gt=0, description="Seconds without any success, after which the run is stopped."
    )
    failing_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Share of the last 200 requests that may fail for one reason, until the run is"
        " stopped.",
    )
    useless_answers: int | None = Field(
        20,
        ge=1,
        description="So many first answers that are all empty, thoughts alone or cut stop the run,"
        " with what to set. Null:"
        " never.",
    )
    grace: float = Field(
        30.0,
        ge=0,
        description="Seconds that requests in flight are waited for after Ctrl-C, SIGTERM or"
        " SIGHUP. `--grace`.",
    )
