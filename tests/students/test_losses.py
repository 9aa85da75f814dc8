"""Losses equal values worked by hand in float64, and have correct gradients."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from synthkd.students import losses as o  # noqa: E402

pytestmark = pytest.mark.slow

Z = torch.tensor([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]], dtype=torch.float64)
T = torch.tensor([[0.5, 2.5, 0.0], [1.0, 1.0, 1.0]], dtype=torch.float64)
Y = torch.tensor([1, 2])


def softmax(row: list[float]) -> list[float]:
    total = sum(math.exp(x) for x in row)
    return [math.exp(x) / total for x in row]


def probabilities(logits: Tensor, temperature: float = 1.0) -> list[list[float]]:
    return [softmax([x / temperature for x in row]) for row in logits.tolist()]


def kl_by_hand(p: list[float], q: list[float]) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def correlation(a: list[float], b: list[float]) -> float:
    da, db = [x - mean(a) for x in a], [x - mean(b) for x in b]
    top = sum(x * y for x, y in zip(da, db, strict=True))
    return top / math.sqrt(sum(x * x for x in da) * sum(y * y for y in db))


def test_soft_cross_entropy_is_the_mean_of_minus_p_log_q() -> None:
    p = torch.tensor([[0.2, 0.5, 0.3], [0.0, 0.0, 1.0]], dtype=torch.float64)
    q = probabilities(Z)
    by_hand = mean(
        [
            -sum(a * math.log(b) for a, b in zip(x, y, strict=True))
            for x, y in zip(p.tolist(), q, strict=True)
        ]
    )
    assert o.soft_cross_entropy(Z, p).item() == pytest.approx(by_hand)


def test_kl_at_a_temperature_is_tau_squared_times_the_divergence_of_softened_rows() -> None:
    p, q = probabilities(T, 2.0), probabilities(Z, 2.0)
    by_hand = 4 * mean([kl_by_hand(a, b) for a, b in zip(p, q, strict=True)])
    assert o.kl(Z, T, 2.0).item() == pytest.approx(by_hand)


def test_reverse_kl_has_the_student_first() -> None:
    p, q = probabilities(T), probabilities(Z)
    by_hand = mean([kl_by_hand(b, a) for a, b in zip(p, q, strict=True)])
    assert o.reverse_kl(Z, T).item() == pytest.approx(by_hand)


def test_jensen_shannon_is_the_mean_divergence_from_the_middle_and_at_most_ln_2() -> None:
    by_hand = []
    for p, q in zip(probabilities(T), probabilities(Z), strict=True):
        m = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
        by_hand.append((kl_by_hand(p, m) + kl_by_hand(q, m)) / 2)
    assert o.jensen_shannon(Z, T).item() == pytest.approx(mean(by_hand))
    far = torch.tensor([[100.0, -100.0]], dtype=torch.float64)
    assert o.jensen_shannon(far, -far).item() == pytest.approx(math.log(2))


def test_distillation_mixes_hard_and_soft_loss_by_alpha() -> None:
    hard = mean(
        [-math.log(row[label]) for row, label in zip(probabilities(Z), Y.tolist(), strict=True)]
    )
    soft = o.kl(Z, T, 2.0).item()
    assert o.distillation(Z, T, Y, alpha=0.3).item() == pytest.approx(0.7 * hard + 0.3 * soft)


def test_dist_is_one_minus_correlation_along_rows_and_along_classes() -> None:
    s, t = probabilities(Z), [softmax([0.5, 2.5, 0.0]), softmax([1.0, 0.0, 2.0])]
    other = torch.tensor([[0.5, 2.5, 0.0], [1.0, 0.0, 2.0]], dtype=torch.float64)
    rows = mean([correlation(a, b) for a, b in zip(s, t, strict=True)])
    columns = mean(
        [
            correlation(list(a), list(b))
            for a, b in zip(zip(*s, strict=True), zip(*t, strict=True), strict=True)
        ]
    )
    by_hand = 2 * (1 - rows) + 3 * (1 - columns)
    assert o.dist(Z, other, beta=2, gamma=3).item() == pytest.approx(by_hand, abs=1e-6)


def test_dist_of_a_row_without_spread_has_no_correlation_and_no_nan() -> None:
    flat = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    loss = o.dist(flat, T)
    loss.backward()
    assert loss.item() == pytest.approx(2)
    assert flat.grad is not None
    assert not flat.grad.isnan().any()


def test_dist_with_one_row_has_the_first_term_only() -> None:
    one = o.dist(Z[:1], T[:1], beta=2, gamma=100).item()
    assert one == pytest.approx(
        2 * (1 - correlation(probabilities(Z)[0], probabilities(T)[0])), abs=1e-6
    )


def test_sinkhorn_equals_twenty_plain_normalisations() -> None:
    s, t = probabilities(Z, 2.0), probabilities(T, 2.0)
    cost = [[sum(abs(a - b) for a, b in zip(x, y, strict=True)) for y in t] for x in s]
    plan = [[math.exp(-c / 0.1) for c in row] for row in cost]
    for _ in range(20):
        plan = [[x / sum(row) for x in row] for row in plan]
        sums = [sum(row[j] for row in plan) for j in range(2)]
        plan = [[row[j] / sums[j] for j in range(2)] for row in plan]
    assert [sum(row[j] for row in plan) for j in range(2)] == pytest.approx([1, 1])
    by_hand = sum(plan[i][j] * cost[i][j] for i in range(2) for j in range(2)) / 2
    assert o.sinkhorn(Z, T).item() == pytest.approx(by_hand)


def test_sinkhorn_of_equal_batches_is_not_zero() -> None:
    assert o.sinkhorn(Z, Z).item() > 0


def test_margin_mse_is_the_squared_difference_of_margins() -> None:
    a, b, c, d = (
        torch.tensor(x, dtype=torch.float64)
        for x in ([3.0, 1.0], [1.0, 1.5], [5.0, 0.0], [4.0, 2.0])
    )
    assert o.margin_mse(a, b, c, d).item() == pytest.approx(((2 - 1) ** 2 + (-0.5 + 2) ** 2) / 2)


def test_margin_mse_is_invariant_to_a_shift_of_a_querys_scores() -> None:
    a, b, c, d = torch.randn(4, 5, dtype=torch.float64)
    shift = torch.randn(5, dtype=torch.float64)
    assert o.margin_mse(a + shift, b + shift, c, d).item() == pytest.approx(
        o.margin_mse(a, b, c, d).item()
    )


def test_weighted_kl_is_its_formula_term_by_term() -> None:
    positive = torch.tensor([[True, False, False], [False, True, True]])
    p, q = probabilities(T), probabilities(Z)
    rows = []
    for i in range(2):
        total = 0.0
        for j in range(3):
            weight = (1 - q[i][j]) ** 2 if positive[i, j] else q[i][j] ** (2 - 0.5)
            total += weight * p[i][j] * math.log(p[i][j] / q[i][j])
        rows.append(total)
    assert o.contrastively_weighted_kl(Z, T, positive, 2.0, 0.5).item() == pytest.approx(mean(rows))


def test_weighted_kl_may_be_negative_and_is_not_clamped() -> None:
    student = torch.tensor([[0.0, 4.0]], dtype=torch.float64)
    teacher = torch.tensor([[4.0, 0.0]], dtype=torch.float64)
    assert o.contrastively_weighted_kl(student, teacher, torch.tensor([[False, False]])).item() < 0


def test_dse_weighs_labels_and_squared_distance_of_logits() -> None:
    far = mean(
        [
            sum((a - b) ** 2 for a, b in zip(x, y, strict=True))
            for x, y in zip(Z.tolist(), T.tolist(), strict=True)
        ]
    )
    hard = mean(
        [-math.log(row[label]) for row, label in zip(probabilities(Z), Y.tolist(), strict=True)]
    )
    assert o.dse(Z, T).item() == pytest.approx(far)
    assert o.dse(Z, T, Y, weight=0.25).item() == pytest.approx(0.75 * hard + 0.25 * far)


def test_pair_features_have_the_order_of_the_paper() -> None:
    u, v = torch.tensor([[1.0, -2.0]]), torch.tensor([[3.0, 1.0]])
    assert o.pair_features(u, v).tolist() == [[1, -2, 3, 1, 3, -2, 2, 3]]


def test_mixed_rows_lie_between_a_row_and_its_partner() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(4, 2, 3, dtype=torch.float64), torch.eye(4, dtype=torch.float64)
    mixed = o.mix(x, y, generator=generator)
    for i in range(4):
        share, j = mixed.share[i], mixed.partner[i]
        assert torch.allclose(mixed.embeddings[i], share * x[i] + (1 - share) * x[j])
        assert torch.allclose(mixed.labels[i], share * y[i] + (1 - share) * y[j])
    again = o.mix(x, y, generator=torch.Generator().manual_seed(0))
    assert torch.equal(mixed.embeddings, again.embeddings)


def test_mixed_rows_with_all_weight_on_one_side_are_the_rows() -> None:
    x, y = torch.randn(3, 2, 2, dtype=torch.float64), torch.eye(3, dtype=torch.float64)
    mixed = o.mix(x, y)
    whole = torch.ones(3, dtype=torch.float64)
    from synthkd.students.losses import _between

    assert torch.equal(_between(x, mixed.partner, whole), x)


def test_mixkd_is_the_sum_of_its_three_terms() -> None:
    soft = torch.tensor([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]], dtype=torch.float64)
    hard = mean(
        [-math.log(row[label]) for row, label in zip(probabilities(Z), Y.tolist(), strict=True)]
    )
    far = mean(
        [
            (a - b) ** 2
            for x, y in zip(Z.tolist(), T.tolist(), strict=True)
            for a, b in zip(x, y, strict=True)
        ]
    )
    by_hand = hard + 2 * o.soft_cross_entropy(Z, soft).item() + 3 * far
    assert o.mixkd(Z, Y, Z, T, soft, 2, 3).item() == pytest.approx(by_hand)


def test_token_cross_entropy_is_a_mean_over_counted_tokens() -> None:
    logits = torch.stack([Z, T])
    tokens = torch.tensor([[1, -100], [0, 2]])
    q, p = probabilities(Z), probabilities(T)
    by_hand = [-math.log(q[0][1]), -(math.log(p[0][0]) + math.log(p[1][2])) / 2]
    assert o.token_cross_entropy(logits, tokens).tolist() == pytest.approx(by_hand)


POSITIVE = torch.tensor([[2.0, 1.0], [0.5, float("nan")]], dtype=torch.float64)
NEGATIVE = torch.tensor([[2.5, 4.0], [1.0, 2.0]], dtype=torch.float64)
GOOD = torch.tensor([[0.9, 0.8], [0.7, 0.1]], dtype=torch.float64)
BAD = torch.tensor([[0.2, 0.3], [0.4, 0.6]], dtype=torch.float64)


def test_qcrd_takes_the_most_likely_positive_and_the_nearest_negative() -> None:
    first = 0.8 * 1.0 - 0.2 * (1 - 0.2) * (2.5 - 3)
    second = 0.7 * 0.5 - 0.2 * (1 - 0.4) * (1.0 - 3)
    assert o.qcrd(POSITIVE, NEGATIVE, GOOD, BAD).item() == pytest.approx((first + second) / 2)


def test_qcrd_with_the_farthest_negative_has_none_beyond_delta() -> None:
    first = 0.8 * 1.0
    second = 0.7 * 0.5 - 0.2 * (1 - 0.6) * (2.0 - 3)
    assert o.qcrd(POSITIVE, NEGATIVE, GOOD, BAD, pick="farthest").item() == pytest.approx(
        (first + second) / 2
    )


def test_qcrd_gives_a_negative_beyond_delta_no_gradient() -> None:
    negative = torch.tensor([[3.5], [2.0]], dtype=torch.float64, requires_grad=True)
    o.qcrd(POSITIVE, negative, GOOD, BAD[:, :1]).backward()
    assert negative.grad is not None
    assert negative.grad[0].item() == 0
    assert negative.grad[1].item() != 0


def test_qcrd_of_a_question_without_negatives_is_its_first_term_and_has_no_nan() -> None:
    positive = POSITIVE.clone().requires_grad_()
    none = torch.full((2, 1), float("nan"), dtype=torch.float64, requires_grad=True)
    loss = o.qcrd(positive, none, GOOD, BAD[:, :1])
    loss.backward()
    assert loss.item() == pytest.approx((0.8 + 0.35) / 2)
    assert positive.grad is not None
    assert none.grad is not None
    assert not positive.grad[:, 0].isnan().any()
    assert not none.grad.isnan().any()


@pytest.mark.parametrize(
    "loss",
    [o.kl, o.reverse_kl, o.jensen_shannon, o.dist, o.dse, lambda s, t: o.kl(s, t, 4.0),
     lambda s, t: o.margin_mse(s[0], s[1], t[0], t[1])],
    ids=["kl", "reverse_kl", "jensen_shannon", "dist", "dse", "kl at 4", "margin_mse"],
)  # fmt: skip
def test_a_student_equal_to_its_teacher_has_no_loss(
    loss: Callable[[Tensor, Tensor], Tensor],
) -> None:
    assert loss(Z, Z.clone()).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    "loss",
    [
        lambda z: o.soft_cross_entropy(z, T.softmax(-1)),
        lambda z: o.kl(z, T, 2.0),
        lambda z: o.reverse_kl(z, T, 2.0),
        lambda z: o.jensen_shannon(z, T, weight=0.3),
        lambda z: o.distillation(z, T, Y),
        lambda z: o.dist(z, torch.flip(Z, [1])),
        lambda z: o.sinkhorn(z, T),
        lambda z: o.margin_mse(z[0], z[1], T[0], T[1]),
        lambda z: o.contrastively_weighted_kl(z, T, Z > 0, beta=0.5),
        lambda z: o.dse(z, T, Y),
        lambda z: o.mixkd(z, Y, z, T, T.softmax(-1)),
        lambda z: o.token_cross_entropy(z[None], Y[None]),
        lambda z: o.qcrd(z, z + 0.3, Z.sigmoid(), T.sigmoid()),
    ],
)  # fmt: skip
def test_the_gradient_of_each_objective_is_that_of_its_values(
    loss: Callable[[Tensor], Tensor],
) -> None:
    assert torch.autograd.gradcheck(loss, (Z.clone().requires_grad_(),))


def test_a_masked_token_adds_nothing_and_leaves_the_gradient_finite() -> None:
    mask = torch.tensor([[0.0, 0.0, -math.inf]], dtype=torch.float64)
    student = (Z[:1] + mask).requires_grad_()
    loss = o.kl(student, T[:1] + mask)
    loss.backward()
    two = o.kl(Z[:1, :2], T[:1, :2])
    assert loss.item() == pytest.approx(two.item())
    assert student.grad is not None
    assert not student.grad.isnan().any()


@pytest.mark.parametrize("loss", [o.kl, o.dist, o.sinkhorn, o.dse])
def test_shapes_that_do_not_agree_are_refused(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    with pytest.raises(ValueError, match=r"2, 3.*2, 2"):
        loss(Z, T[:, :2])
