"""The benchmark: both sides do the same work in either precision, and results are told apart as they should."""

import json
import subprocess

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asal_jax.models.classifier import make_classifier
from asal_jax.networks import layers
from configs import cifar_ten
from experiments.speed import bench, growth, pools, records, rows, tables, work
from experiments.speed.rows import ROWS

OLD = {"platform": "cpu", "kind": "cpu", "cores": 2, "processor": "x86_64"}
NEW = OLD | {
  "processor": "A", "flags": ["avx2"], "caches": {"L2": {"kib": 1024, "cores": 1}}, "memory_gib": 8.0,
}  # fmt: skip
TIMES = {"ours_seconds": 0.1, "rival_seconds": 2.0, "rival_threads": 2, "compile_seconds": 1.0}


@pytest.fixture
def torch():
  return pytest.importorskip("torch")


def test_every_row_has_both_sides(torch):
  ours = pytest.importorskip("experiments.speed.ours").OURS
  rivals = pytest.importorskip("experiments.speed.rivals").RIVALS
  for name in ROWS:
    (_, mine), (_, other) = bench.sides(name)
    assert mine in ours
    assert other in rivals


def test_both_have_the_same_lenet(torch):
  from experiments.speed import ours_pools, rival_classifiers, rival_pools

  images = pools.images(pools.features(60))
  classifier, params = ours_pools.lenet()
  logits = classifier.logits(jax.tree.map(lambda x: x[0], params), jnp.asarray(images / np.float32(255)))
  with torch.inference_mode():
    x = rival_pools.decode(torch.from_numpy(images).permute(0, 3, 1, 2))
    np.testing.assert_allclose(rival_pools.lenet()(x).numpy(), logits, atol=1e-4)
    p = np.asarray(jax.nn.softmax(logits), float)
    entropies = rival_classifiers.make_entropies(rival_pools.lenet())
    found = entropies(torch.from_numpy(images).permute(0, 3, 1, 2))
  np.testing.assert_allclose(found, -np.sum(p * np.log(p), axis=1), atol=1e-4)
  assert len(np.unique(p.argmax(axis=1))) > 1


@pytest.mark.parametrize("nets", ["mnist", "cifar"])
def test_autocast_gives_the_critics_gradient(torch, monkeypatch, nets):
  """The gradient penalty's second derivatives too: bfloat16 has 8 bits, of which sums keep some."""
  from experiments.speed import rival_gans
  from experiments.speed.rival_parts import autocast

  torch.manual_seed(0)
  nets = {"mnist": rival_gans.mnist_nets(8), "cifar": rival_gans.cifar_nets(8)}[nets]
  generator, critic = rival_gans.Generator(nets), rival_gans.make_critic(nets)
  real = torch.rand(nets.batch, nets.channels, nets.size, nets.size)
  z, mix = torch.randn(nets.batch, 128), torch.rand(nets.batch, 1, 1, 1)
  gradients = {}
  for precision in ("float32", "bfloat16"):
    monkeypatch.setenv("BENCH_PRECISION", precision)
    with autocast():
      loss = rival_gans.critic_loss(generator, critic, real, z, mix)
    gradients[precision] = torch.cat(
      [g.flatten() for g in torch.autograd.grad(loss, list(critic.parameters()))]
    )
  exact, rounded = gradients.values()
  assert rounded.dtype == torch.float32
  assert not torch.equal(rounded, exact)
  assert torch.linalg.norm(rounded - exact) < 0.05 * torch.linalg.norm(exact)


def test_the_smallest_knob_with_the_recall():
  found = pools.features(3_000)
  queries = pools.features(100, seed=7)
  distances = np.square(found[None] - queries[:, None]).sum(axis=2)
  order = np.argsort(distances, axis=1)
  nearest = pools.nearest(found, queries)
  np.testing.assert_array_equal(np.sort(nearest, axis=1), np.sort(order[:, :10], axis=1))
  knobs = []

  def search(knob, asked):
    knobs.append(knob)
    np.testing.assert_array_equal(asked, queries)
    return np.concatenate([order[:, :knob], order[:, 100 : 110 - knob]], axis=1)

  # 9 of 10 are too few for 0.95.
  assert pools.reaching(search, found, (8, 9, 10)) == 10
  assert knobs == [8, 9, 10]
  with pytest.raises(RuntimeError, match="recall"):
    pools.reaching(search, found, (8, 9))


def test_what_is_on_disk_is_the_same_for_both(tmp_path):
  a, b = (np.array(pools.on_disk(70, tmp_path / f"{name}.npy", part=30)) for name in "ab")
  np.testing.assert_array_equal(a, b)
  np.testing.assert_array_equal(a[30:60], pools.images(pools.features(30, seed=11)))


def line(row, ratio, device, **more):
  return (
    {"row": row, "ratio": ratio, "ratio_low": ratio, "ratio_high": ratio, "device": device} | TIMES | more
  )


def test_the_newest_of_row_precision_and_machine(tmp_path, monkeypatch):
  written = [
    line("lenet_step", 0.8, OLD),
    line("lenet_step", 0.7, OLD),
    line("lenet_step", 0.6, NEW, precision="float32"),
    line("lenet_step", 0.5, NEW, precision="bfloat16"),
    line("a row of old", 0.1, OLD),
  ]
  monkeypatch.setattr(tables, "RESULTS", tmp_path / "results.jsonl")
  for record in written:
    records.append(tables.RESULTS, record)
  assert [r["ratio"] for r in tables.newest()] == [0.7, 0.6, 0.5]
  old, new, rounded = tables.tables(tables.newest())
  assert old.startswith("**2 CPU cores of a shared machine, float32**\n")
  assert new.startswith("**A, 2 CPU cores, float32** (avx2, L2 1,024 KiB a core, 8.0 GiB of memory)\n")
  assert "| 100 ms | 2 s (2) | 0.50 (0.50 to 0.50) | 0.7 | 1.0 |" in rounded


def test_results_do_not_make_a_commit_dirty(tmp_path):
  def git(*command):
    names = ["-c", "user.name=a", "-c", "user.email=a"]
    subprocess.run(["git", *names, *command], cwd=tmp_path, check=True, capture_output=True)

  git("init")
  for name in ("code.py", "results.jsonl"):
    (tmp_path / name).write_text("1\n")
  git("add", ".")
  git("commit", "-m", "first")
  clean = records.commit(tmp_path)
  (tmp_path / "results.jsonl").write_text("2\n")
  (tmp_path / "new.txt").write_text("2\n")
  assert records.commit(tmp_path) == clean
  assert len(clean) == 40
  (tmp_path / "code.py").write_text("2\n")
  assert records.commit(tmp_path) == f"{clean}-dirty"


def test_growth_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
  monkeypatch.setattr(growth, "RESULTS", tmp_path / "growth.jsonl")
  here = {"commit": "c", "device": NEW}
  for panel, about in (("labels", here), ("pool", here | {"commit": "b"}), ("seeds", here | {"device": OLD})):
    records.append(growth.RESULTS, {"panel": panel} | about)
  assert growth.left(here) == ["pool", "seeds", "latents"]
  assert growth.left({"commit": "c-dirty", "device": NEW}) == list(growth.PANELS)


def test_arguments(capsys):
  assert bench.parsed(["--precision=bfloat16", "lenet_step"]).rows == ["lenet_step"]
  assert bench.parsed([]).precision == "float32"
  for wrong in (["lenet"], ["--precision=float16"]):
    with pytest.raises(SystemExit):
      bench.parsed(wrong)
  assert "lenet_step" in capsys.readouterr().err


def test_every_kept_result_is_shown():
  """README's tables are of results.jsonl: no line of it may trip them."""
  kept = tables.newest()
  assert sum(text.count("\n| ") - 2 for text in tables.tables(kept)) == len(kept)
  assert all(json.dumps(r["ratio"]) for r in kept)


def test_the_rows_of_a_platform():
  cpu, gpu = rows.chosen("cpu", "float32"), rows.chosen("gpu", "tensorfloat32")
  assert "max_entropy_cold" in cpu
  assert "exact_search_16m" not in cpu
  assert {"wgan_gp_celeba_full", "all_cnn_step", "max_entropy_mnist_two"} <= {*gpu}
  assert not {"max_entropy_cold", "graph_search_1m", "exact_search_4m"} & {*gpu}


def test_a_row_without_its_rival_is_timed_alone(monkeypatch, tmp_path, capsys):
  monkeypatch.setattr(bench.importlib.util, "find_spec", lambda name: None)
  started = []

  class Worker:
    def __init__(self, side):
      started.append(side)
      self.ready = {"first_seconds": 3.0, "flops": 8, "bytes": 4}
      self.process = subprocess.Popen(["true"])

    def seconds(self):
      return 1.0

  monkeypatch.setattr(bench, "Worker", Worker)
  (found,) = bench.compare(["lenet_step"], "gpu")
  assert started == [("ours", "lenet_step")]
  assert "ours alone, torch not installed" in capsys.readouterr().err
  assert found["ours_seconds"] == 1 / ROWS["lenet_step"].units
  assert found["compile_seconds"] == 2.0
  assert "ratio" not in found
  text = tables.table([found])
  assert f"| {1e3 * found['ours_seconds']:.3g} ms | - | - | 0.7 | 2.0 |" in text


def test_operations_and_bytes_of_products():
  x, kernel = jnp.zeros((2, 8, 8, 3)), jnp.zeros((5, 5, 3, 7))

  def strided(x, kernel):
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=layout)

  y = strided(x, kernel)
  once = 2 * y.size * 5 * 5 * 3
  of = lambda f: work.of_program(jax.make_jaxpr(f)(x, kernel).jaxpr)  # noqa: E731
  assert of(strided).flops == once
  assert of(strided).bytes == 4 * (x.size + kernel.size + y.size)
  # The gradients by image and kernel take as many each, to the windows over the edge.
  both = of(jax.grad(lambda x, kernel: strided(x, kernel).sum(), argnums=(0, 1))).flops - once
  assert 0.9 < both / (2 * once) < 1.1
  repeated = of(lambda x, kernel: jax.lax.fori_loop(0, 6, lambda _, y: y + strided(x, kernel), y))
  assert repeated.flops == 6 * once
  matrices = jax.make_jaxpr(jnp.matmul)(jnp.zeros((4, 5)), jnp.zeros((5, 6))).jaxpr
  assert work.of_program(matrices) == (2 * 4 * 5 * 6, 4 * (20 + 30 + 24))


@pytest.mark.parametrize("row", ["wgan_gp_mnist_16", "autoencoder_mnist", "lenet_step", "all_cnn_step"])
def test_a_rows_operations_do_not_depend_on_the_form_of_its_layers(monkeypatch, row):
  """Matrix products of a CPU and convolutions of an accelerator: the same work, to paddings."""
  of_cpu = work.of_row(row).flops
  monkeypatch.setattr(layers, "_native", lambda: True)
  assert 0.75 < work.of_row(row).flops / of_cpu < 1.25


def test_compiled_and_eager_rivals_have_the_same_critics_gradient(torch, monkeypatch):
  """Through torch.compile's tracing and PyTorch's own second derivatives; what generates code is another matter."""
  from experiments.speed import rival_gans

  torch.manual_seed(0)
  nets = rival_gans.mnist_nets(4)
  generator, critic = rival_gans.Generator(nets), rival_gans.make_critic(nets)
  real, z = torch.rand(6, 1, 28, 28), torch.randn(6, 128)
  loss = lambda real, z, mix: rival_gans.critic_loss(generator, critic, real, z, mix)  # noqa: E731
  gradients = []
  for of in (loss, torch.compile(loss, backend="aot_eager", fullgraph=True)):
    grads = torch.autograd.grad(of(real, z, torch.rand(6, 1, 1, 1).fill_(0.3)), list(critic.parameters()))
    gradients.append(torch.cat([g.flatten() for g in grads]))
  torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-5)


def test_both_have_all_cnn(torch):
  from experiments.speed.rival_classifiers import make_all_cnn

  ours = make_classifier(cifar_ten.get_config().classifier, (32, 32, 3), 10, (0.0, 1.0))
  net, params = make_all_cnn().eval(), ours.init(jax.random.key(0))
  convs = [layer for layer in net if isinstance(layer, torch.nn.Conv2d)]
  named = sorted(params["params"].items(), key=lambda item: int(item[0].split("_")[1]))
  with torch.no_grad():
    for conv, (_, layer) in zip(convs, named, strict=True):
      conv.weight.copy_(torch.tensor(np.asarray(layer["kernel"])).permute(3, 2, 0, 1))
      conv.bias.copy_(torch.tensor(np.asarray(layer["bias"])))
    x = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)
    found = net(torch.from_numpy(x).permute(0, 3, 1, 2)).numpy()
  np.testing.assert_allclose(found, ours.logits(params, jnp.asarray(x)), atol=1e-4)
