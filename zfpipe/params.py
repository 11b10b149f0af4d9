"""params.yaml as one frozen, validated tree. Each stage reads all of it and passes sections on."""

import difflib
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from zfpipe import paths, sections
from zfpipe.errors import UserError
from zfpipe.values import Section, fail, members

PROBES = Path(__file__).parent / "probes"
"""A module in this folder can have a section of the module's name, described by the module's class `Settings`."""
MISSING = "is missing; add it, as in the project's own params.yaml"
Own = TypeVar("Own", bound=Section)


class Params(Section):
    """All of params.yaml. Probes' sections stay as they are written until `own` reads them."""

    model_config = ConfigDict(extra="allow")

    watch: Annotated[tuple[sections.Watched, ...], BeforeValidator(sections.watched)]
    pictures: sections.Pictures
    overlap: sections.Overlap
    betons: sections.Betons
    crops: sections.Crops
    model: sections.Model
    alexnet: sections.Network
    runs: dict[str, sections.Run]
    ensembles: dict[str, Annotated[tuple[str, ...], BeforeValidator(members)]]
    training: sections.Training
    evaluation: sections.Evaluation
    deconvnet: sections.Deconvnet
    projections: sections.Projections
    evolution: sections.Evolution
    invariance: sections.Invariance
    occlusion: sections.OcclusionProbe
    correspondence: sections.Correspondence
    targets: sections.Targets
    transfer: sections.Transfer
    figures: sections.Figures

    def own(self, kind: type[Own]) -> Own:
        """Return the section of the probe with the class `Settings` given. Raises UserError if not valid."""
        name, given = kind.__module__.rpartition(".")[2], self.model_extra or {}
        if name not in given:
            raise UserError(f"params.yaml: {name} {MISSING}")
        try:
            return kind.model_validate(given[name])
        except ValidationError as error:
            raise UserError(f"params.yaml: {explain(error, (name,), kind)}") from None

    def trained_elsewhere(self, run: str) -> bool:
        """Return True if a run's network was trained elsewhere, except perhaps for its softmax."""
        entry = self.runs[run]
        base: sections.Network = getattr(self, entry.base)
        return entry.edit["source"] is not None if "source" in entry.edit else base.origin is not None

    @property
    def own_runs(self) -> dict[str, sections.Run]:
        """The runs whose layers were trained here, as the paper's were."""
        return {run: entry for run, entry in self.runs.items() if not self.trained_elsewhere(run)}

    @model_validator(mode="before")
    @classmethod
    def check_sections(cls, tree: Any) -> Any:
        """Refuse a section that is neither a field nor a probe's section.

        A valid file is checked without opening probes' files: a stage opens only files that dvc.yaml names as its deps.
        """
        for name in map(str, tree):
            if name not in cls.model_fields and not (name.isidentifier() and (PROBES / f"{name}.py").exists()):
                owners = [path.stem for path in PROBES.glob("*.py") if "\nclass Settings(" in path.read_text()]
                raise UserError(f"params.yaml: {unknown(name, known_fields(cls) | {*owners})}")
        return tree

    @model_validator(mode="after")
    def check_together(self) -> "Params":
        """Refuse crops larger than the images, invalid names of runs, and ensembles of unknown runs."""
        if self.crops.size > self.betons.resize:
            fail("crops.size", self.crops.size, f"must be at most betons.resize, {self.betons.resize}")
        if self.model.source is not None and "model" not in self.watch:
            fail(
                "watch",
                list(self.watch),
                f"must include model, or changes in the code of {self.model.source} go unnoticed",
            )
        for run in self.runs:
            if not run.replace("-", "").replace("_", "").isalnum() or not run.isascii():
                fail(f"runs.{run}", "the name", "must be letters, digits, - and _")
            if self.runs[run].edit.get("source") is not None:
                fail(f"runs.{run}.edit.source", self.runs[run].edit["source"], "must be null; set model.source instead")
        for name in self.overlap.sets:
            if not name.isidentifier():
                fail(f"overlap.sets.{name}", "the name", "must be letters, digits and _, a letter first")
        for ensemble, runs in self.ensembles.items():
            if ensemble in self.runs:
                fail(f"ensembles.{ensemble}", "the name", "must not be a run's")
            for run in runs:
                if run not in self.runs:
                    fail(f"ensembles.{ensemble}", run, f"must be runs: {', '.join(self.runs)}")
        return self


def explain(error: ValidationError, prefix: tuple[str, ...] = (), kind: type[BaseModel] = Params) -> str:
    """Return the first mistake that validation found in a section of this kind: what, got, allowed, in one line."""
    errors = error.errors()
    # A misspelt name also counts as missing: report the spelling first
    first = next((entry for entry in errors if entry["type"] == "extra_forbidden"), errors[0])
    name = ".".join(str(part) for part in (*prefix, *first["loc"]))
    mistake, got, context = first["type"], first["input"], first.get("ctx", {})
    if mistake == "missing":
        return f"{name} {MISSING}"
    if mistake == "extra_forbidden":
        return unknown(name, known_fields(kind))
    if mistake == "literal_error":
        return f"{name} = {got}; must be {context['expected']}"
    if mistake == "value_error":
        return f"{name} = {got}; {context['error']}"
    return f"{name} = {got}; {first['msg']}"


def unknown(name: str, known: set[str]) -> str:
    """Return a message about an unknown parameter, with the known name that is most similar in its last part."""
    close = difflib.get_close_matches(name.rpartition(".")[2], sorted(known), n=1)
    return f"{name} is not a parameter" + (f"; did you mean {close[0]}?" if close else "")


def known_fields(kind: Any) -> set[str]:
    """Return the names of a section's fields and of nested sections' fields, for suggestions."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        inside = (known_fields(field.annotation) for field in kind.model_fields.values())
        return {*kind.model_fields}.union(*inside)
    return set().union(*map(known_fields, get_args(kind)))


def load(path: Path = paths.PARAMS) -> Params:
    """Read and validate params.yaml.

    Raises UserError with one line: the parameter, its value, and the allowed values.
    """
    try:
        return parse(path.read_text(), str(path))
    except FileNotFoundError:
        raise UserError(f"{path} not found; run zfpipe from the project's root") from None


def parse(text: str, name: str) -> Params:
    """Validate the text of a parameter file; `name` is the file's name in error messages."""
    check_yaml(text, name)
    try:
        return Params.model_validate(YAML(typ="safe").load(text))
    except ValidationError as error:
        raise UserError(f"{name}: {explain(error)}") from None


def check_yaml(text: str, name: str) -> None:
    """Raise UserError if the text is not YAML with sections."""
    try:
        tree = YAML(typ="safe").load(text)
    except YAMLError as error:
        raise UserError(f"{name} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise UserError(f"{name} must hold sections such as `model:`")
