"""Tiny TFDS data sets as array_record on disk, written without TensorFlow."""

import io
import json

import numpy as np
from array_record.python.array_record_module import ArrayRecordWriter
from PIL import Image
from tensorflow_datasets.proto import tf_example_pb2

VERSIONS = {"cifar10": "3.0.2", "celeb_a": "2.1.0"}


def encoded(image, form="PNG"):
  """The bytes of an image file."""
  file = io.BytesIO()
  Image.fromarray(image).save(file, form)
  return file.getvalue()


def serialised(record):
  """A record {name: bytes or int} as TFDS writes it."""
  example = tf_example_pb2.Example()
  for name, value in record.items():
    feature = example.features.feature[name]
    if isinstance(value, bytes):
      feature.bytes_list.value.append(value)
    else:
      feature.int64_list.value.append(int(value))
  return example.SerializeToString()


def write_tfds(root, name, splits, shards=2):
  """The set `name` in `root`, with {split: records}, each split in so many files."""
  folder = root / name / VERSIONS[name]
  folder.mkdir(parents=True)
  described = []
  for split, records in splits.items():
    parts = [part.tolist() for part in np.array_split(np.arange(len(records)), shards)]
    written = 0
    for i, part in enumerate(parts):
      writer = ArrayRecordWriter(
        str(folder / f"{name}-{split}.array_record-{i:05}-of-{shards:05}"), "group_size:1"
      )
      for row in part:
        data = serialised(records[row])
        writer.write(data)
        written += len(data)
      writer.close()
    described.append({
      "name": split, "numBytes": str(written), "shardLengths": [str(len(part)) for part in parts],
      "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
    })  # fmt: skip
  about = {"name": name, "version": VERSIONS[name], "fileFormat": "array_record", "splits": described}
  (folder / "dataset_info.json").write_text(json.dumps(about))
  return root


def cifar_records(images, labels):
  """Records of CIFAR-10."""
  return [
    {"id": f"{i}".encode(), "image": encoded(image), "label": label}
    for i, (image, label) in enumerate(zip(images, labels, strict=True))
  ]
