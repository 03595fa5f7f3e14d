"""Rivals against brute force in NumPy, written from the papers, and against scikit-activeml."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from scipy.spatial.distance import cdist
from scipy.special import softmax

from asal_jax.acquisition import batch as batches
from asal_jax.acquisition import rivals
from asal_jax.acquisition.score import SCORES
from asal_jax.acquisition.strategy import draw_unlabelled, generator
from asal_jax.models.classifier import cross_entropy, make_embed
from asal_jax.pools.kinds import ArrayPool, MappedPool
from asal_jax.rng import seed_keys
from asal_jax.types import Classifier, LabelledSet

N, SEEDS, BATCH, CLASSES, WIDTH, KNOWN = 120, 3, 5, 4, 6, 10
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (N, 3, 3, 1), np.uint8)
KEYS = seed_keys((0, 1, 2))
PARAMS = {
  "first": jnp.asarray(RNG.normal(size=(SEEDS, 9, WIDTH)), jnp.float32),
  "last": jnp.asarray(RNG.normal(size=(SEEDS, WIDTH, CLASSES)), jnp.float32),
}
LABELLED = np.stack([RNG.permutation(N)[:KNOWN] for _ in range(SEEDS)]).astype(np.int32)
RIVALS = (rivals.badge, rivals.cluster_margin, rivals.coreset, rivals.density)


def hidden(params, images):
  return jax.nn.relu((images.reshape(images.shape[0], -1) - 0.5) @ params["first"])


NETWORK = Classifier(None, lambda p, x: hidden(p, x) @ p["last"], None, cross_entropy, hidden)
EMBED = make_embed(NETWORK, (0.0, 1.0))
LAST = np.maximum(
  np.einsum("nd,sdk->snk", IMAGES.reshape(N, 9) / 255 - 0.5, np.asarray(PARAMS["first"], float)), 0
)
"""The last hidden layer f64[s n d], and the probabilities f64[s n k]."""
P = softmax(LAST @ np.asarray(PARAMS["last"], float), axis=2)


def known(labelled):
  return LabelledSet(labelled, np.zeros_like(labelled))


def ask(make, size, labelled=LABELLED, cycle=1, pool=None):
  pool = ArrayPool(IMAGES) if pool is None else pool
  found = make(pool, EMBED, size, BATCH)(KEYS, cycle, PARAMS, known(labelled))
  assert found.ids.shape == (SEEDS, BATCH)
  assert found.ids.dtype == found.calls.dtype == np.int32
  return found.ids.tolist()


def seeds_of(size, name="", cycle=1):
  """Each seed's sub-pool, probabilities, last layer, and generator."""
  drawn = draw_unlabelled("subpool", KEYS, cycle, N, LABELLED, size)
  for s, (key, ids) in enumerate(zip(KEYS, drawn, strict=True)):
    yield s, ids, P[s, ids], LAST[s, ids], generator(name, key, cycle)


def gradients(p, h):
  """The gradient of each sample's loss, were its most probable class its label, by the last weights: f64[m d k]."""
  targets = np.eye(p.shape[1])[p.argmax(axis=1)]
  return np.stack([np.outer(x, q - t) for x, q, t in zip(h, p, targets, strict=True)])


def test_probabilities_and_hidden_of_all_seeds():
  ids = np.stack([RNG.permutation(N)[:7] for _ in range(SEEDS)])
  p, h = EMBED(PARAMS, jnp.asarray(IMAGES)[ids])
  rows = np.arange(SEEDS)[:, None]
  np.testing.assert_allclose(p, P[rows, ids], atol=1e-6)
  np.testing.assert_allclose(h, LAST[rows, ids], atol=1e-5)
  one = NETWORK._replace(logits=lambda p, x: (hidden(p, x) @ p["last"])[:, :1])
  p, _ = make_embed(one, (0.0, 1.0))(PARAMS, jnp.asarray(IMAGES)[ids])
  logits = (LAST @ np.asarray(PARAMS["last"], float))[rows, ids, 0]
  np.testing.assert_allclose(p, np.stack([1 / (1 + np.exp(logits)), 1 / (1 + np.exp(-logits))], 2), atol=1e-6)


@pytest.mark.parametrize("make", RIVALS)
@pytest.mark.parametrize("kind", [ArrayPool, MappedPool])
def test_seeds_do_not_depend_on_those_beside_them(make, kind):
  together = ask(make, 40, cycle=2, pool=kind(IMAGES))
  for s in range(SEEDS):
    rows = slice(s, s + 1)
    params = jax.tree.map(lambda leaf, rows=rows: leaf[rows], PARAMS)
    alone = make(kind(IMAGES), EMBED, 40, BATCH)(seed_keys((s,)), 2, params, known(LABELLED[rows]))
    assert alone.ids.tolist() == together[rows]
  assert ask(make, 40, cycle=3) != together


@pytest.mark.parametrize("make", RIVALS)
def test_calls(make):
  found = make(ArrayPool(IMAGES), EMBED, 40, BATCH)(KEYS, 0, PARAMS, known(LABELLED))
  assert found.calls.tolist() == [40 + KNOWN * (make is rivals.coreset)] * SEEDS
  few = make(ArrayPool(IMAGES), EMBED, 3, BATCH)(KEYS, 0, PARAMS, known(LABELLED))
  assert few.calls.tolist() == [BATCH + KNOWN * (make is rivals.coreset)] * SEEDS


@pytest.mark.parametrize("make", RIVALS)
def test_equal_images(make):
  """All distances are 0, and all entropies and margins the same."""
  pool = ArrayPool(np.repeat(IMAGES[:1], N, axis=0))
  for row, labelled in zip(ask(make, 30, pool=pool), LABELLED, strict=True):
    assert len({*row} - {*labelled.tolist()}) == BATCH


def test_badge_equals_k_means_plus_plus_on_whole_gradients():
  expected = []
  for _, ids, p, h, rng in seeds_of(60, "badge"):
    g = gradients(p, h).reshape(60, -1)
    chosen = [np.argmax(np.linalg.norm(g, axis=1))]
    while len(chosen) < BATCH:
      squares = np.min([np.sum((g - g[c]) ** 2, axis=1) for c in chosen], axis=0)
      chosen.append(rng.choice(60, p=squares / squares.sum()))
    expected.append(ids[chosen].tolist())
  assert ask(rivals.badge, 60) == expected


def test_badge_draws_the_second_centre_by_squared_distance():
  p, h = P[0, :12], LAST[0, :12]
  g = gradients(p, h).reshape(12, -1)
  first = np.argmax(np.linalg.norm(g, axis=1))
  share = np.sum((g - g[first]) ** 2, axis=1)
  draws = [rivals.pick_badge(np.random.default_rng(i), p, h, None, 2) for i in range(4_000)]
  assert {pair[0] for pair in draws} == {first}
  counts = np.delete(np.bincount([pair[1] for pair in draws], minlength=12), first)
  share = np.delete(share / share.sum(), first)
  assert scipy.stats.chisquare(counts, 4_000 * share).pvalue > 1e-3


def test_outer_distances_are_those_of_outer_products():
  a, h = RNG.normal(size=(9, 3)), RNG.normal(size=(9, 5))
  whole = np.einsum("mk,md->mkd", a, h).reshape(9, -1)
  for i in range(9):
    expected = np.sum((whole - whole[i]) ** 2, axis=1)
    np.testing.assert_allclose(rivals.outer_distances(a, h, i), expected, atol=1e-12)


def average_linkage(points, clusters):
  """Merges the two clusters of least mean distance until `clusters` are left: sets of rows."""
  distances = np.linalg.norm(points[:, None] - points[None], axis=2)
  groups = [[i] for i in range(len(points))]
  while len(groups) > clusters:
    pairs = [(i, j) for i in range(len(groups)) for j in range(i)]
    i, j = min(pairs, key=lambda pair: distances[np.ix_(groups[pair[0]], groups[pair[1]])].mean())
    groups[j] += groups.pop(i)
  return groups


def test_cluster_margin_takes_turns_among_the_clusters_of_small_margins(monkeypatch):
  monkeypatch.setattr(rivals, "MARGINS", 3)
  for row, (_, ids, p, h, _) in zip(ask(rivals.cluster_margin, 50), seeds_of(50), strict=True):
    margins = [np.sort(q)[-1] - np.sort(q)[-2] for q in p]
    near = set(np.argsort(margins)[: 3 * BATCH].tolist())
    groups = [near & set(group) for group in average_linkage(h, 5)]
    groups = [group for group in groups if group]
    chosen = [np.flatnonzero(ids == i)[0] for i in row]
    assert set(chosen) <= near
    # By rounds: no cluster gives another one while a smaller turn is left elsewhere.
    of = [next(k for k, group in enumerate(groups) if i in group) for i in chosen]
    turns = [of[:n].count(k) for n, k in enumerate(of)]
    assert turns == sorted(turns)
    first = [len(groups[k]) for k, turn in zip(of, turns, strict=True) if turn == 0]
    assert first == sorted(first)
    assert len(first) == min(len(groups), BATCH)
    assert first == sorted(map(len, groups))[:BATCH]


def test_cluster_margin_draws_at_random_within_a_cluster():
  p, h = np.tile([0.5, 0.5], (20, 1)), np.repeat([0.0, 9.0], [4, 16])[:, None]
  draws = [rivals.pick_cluster_margin(np.random.default_rng(i), p, h, None, 2) for i in range(2_000)]
  assert all(a < 4 <= b for a, b in draws)
  for place, few in enumerate((4, 16)):
    counts = np.bincount([pair[place] - 4 * place for pair in draws], minlength=few)
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


def farthest_first(points, centres, candidates, batch):
  """Greedy k-centre by the distances of all to all."""
  chosen = []
  for _ in range(batch):
    to_centres = [
      min(np.linalg.norm(points[i] - points[c]) for c in [*centres, *chosen]) if i not in chosen else -1
      for i in candidates
    ]
    chosen.append(int(candidates[np.argmax(to_centres)]))
  return chosen


def test_coreset_of_a_subpool_equals_brute_force():
  expected = [
    farthest_first(LAST[s], LABELLED[s].tolist(), ids, BATCH) for s, ids, *_ in seeds_of(30, "coreset")
  ]
  assert ask(rivals.coreset, 30) == expected


@pytest.mark.parametrize("rows", [2**20, 50, 7])
def test_coreset_of_the_pool_equals_brute_force(tmp_path, monkeypatch, rows):
  features = RNG.normal(size=(N, 4)).astype(np.float32)
  np.save(tmp_path / "features.npy", features)
  monkeypatch.setattr(batches.parts, "__defaults__", (rows,))
  mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
  found = rivals.coreset_of_pool(mapped, BATCH)(KEYS, 0, PARAMS, known(LABELLED))
  rest = [np.setdiff1d(np.arange(N), labelled) for labelled in LABELLED]
  expected = [farthest_first(features, a.tolist(), b, BATCH) for a, b in zip(LABELLED, rest, strict=True)]
  assert found.ids.tolist() == expected
  assert found.calls.tolist() == [0] * SEEDS


def test_density_equals_brute_force():
  expected = []
  for _, ids, p, h, _ in seeds_of(50):
    cosine = np.array(
      [[x @ y / (np.linalg.norm(x) * np.linalg.norm(y)) if x.any() and y.any() else 0 for y in h] for x in h]
    )
    scores = scipy.stats.entropy(p, axis=1) * cosine.mean(axis=1)
    expected.append(ids[np.argsort(-scores)[:BATCH]].tolist())
  assert ask(rivals.density, 50) == expected


LEFT = np.setdiff1d(np.arange(N), LABELLED[0])


@pytest.fixture(scope="module")
def library():
  """scikit-activeml's strategies, and our classifier of seed 0 as one of theirs, on the last hidden layer."""
  pool, base = pytest.importorskip("skactiveml.pool"), pytest.importorskip("skactiveml.base")

  class Fixed(base.SkactivemlClassifier):
    def fit(self, x, y, sample_weight=None):
      return self

    def predict_proba(self, x):
      return softmax(x @ np.asarray(PARAMS["last"][0], float), axis=1)

  return pool, Fixed(classes=list(range(CLASSES)))


def query(strategy, clf, **options):
  """(ids, utilities [b n]) of the unlabelled samples of seed 0."""
  y = np.full(N, np.nan)
  y[LABELLED[0]] = 0
  classifier = {} if clf is None else {"clf": clf, "fit_clf": False}
  return strategy.query(LAST[0], y, **classifier, batch_size=BATCH, return_utilities=True, **options)


@pytest.mark.parametrize(
  ("score", "method", "offset"),
  [("entropy", "entropy", 0), ("margin", "margin_sampling", 1), ("least_confidence", "least_confident", 0)],
)
def test_scores_as_in_scikit_activeml(library, score, method, offset):
  pool, clf = library
  _, utilities = query(pool.UncertaintySampling(method=method), clf)
  found = SCORES[score](jnp.asarray(LAST[0] @ np.asarray(PARAMS["last"][0], float), jnp.float32))
  np.testing.assert_allclose(np.asarray(found)[LEFT] + offset, utilities[0, LEFT], atol=1e-5)


def test_density_as_in_scikit_activeml(library):
  pool, clf = library
  h = LAST[0]
  weight = np.zeros(N)
  # A layer of zeros has no direction.
  weight[LEFT] = 1 - np.nan_to_num(cdist(h[LEFT], h[LEFT], "cosine"), nan=1).mean(axis=1)
  ids, _ = query(pool.UncertaintySampling(method="entropy"), clf, utility_weight=weight)
  found = rivals.pick_density(None, P[0, LEFT], h[LEFT], None, BATCH)
  assert LEFT[found].tolist() == list(ids)


def test_coreset_as_in_scikit_activeml(library):
  pool, _ = library
  ids, _ = query(pool.CoreSet(random_state=0), None)
  found = rivals.pick_coreset(None, None, LAST[0, LEFT], LAST[0, LABELLED[0]], BATCH)
  assert LEFT[found].tolist() == list(ids)


@pytest.mark.parametrize("seed", range(5))
def test_badge_as_in_scikit_activeml(library, seed):
  """Theirs has the origin among the centres from the first one on; the authors' code has not, nor has ours."""
  pool, clf = library
  ids, utilities = query(pool.Badge(random_state=seed), clf)
  g = gradients(P[0, LEFT], LAST[0, LEFT]).reshape(len(LEFT), -1)
  places = np.searchsorted(LEFT, ids).tolist()
  drawn = places[:1]

  class Replayed:
    """Draws what the library has drawn, if the probabilities are those of the library."""

    def choice(self, n, p):
      nearest = p * cdist(g, g[drawn], "sqeuclidean").min(axis=1).sum()
      nearest = np.minimum(nearest, np.square(g).sum(axis=1))
      expected = np.nan_to_num(utilities[len(drawn), LEFT])
      np.testing.assert_allclose(nearest / nearest.sum(), expected, atol=1e-12)
      drawn.append(places[len(drawn)])
      return drawn[-1]

  assert rivals.pick_badge(Replayed(), P[0, LEFT], LAST[0, LEFT], None, BATCH) == places == drawn
