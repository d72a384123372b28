import pytest
from slides import feature, rectangle, tissue, write_geojson, write_slide

from histosyn.doctor.slide_examination import examine_slides
from histosyn.labels.schema import LabelClass, LabelSchema
from hpc.errors import InputError

SCHEMA = LabelSchema(
    name="s",
    classes=(LabelClass(name="Tumor", color="#c80000"), LabelClass(name="Fat", color="#ffff00")),
    ignore=255,
)


@pytest.fixture
def folder(tmp_path):
    image = tissue(128, 192)
    for name, mpp in (("a", 0.25), ("b", None), ("c", 0.5)):
        write_slide(tmp_path / f"slides/{name}.tif", image, mpp=mpp, levels=1)
    bow = [[[0, 0], [50, 50], [50, 0], [0, 50], [0, 0]]]
    write_geojson(tmp_path / "drawn/a.geojson", feature("Tumor", rectangle(0, 0, 100, 50)))
    write_geojson(tmp_path / "drawn/b.geojson", feature("Stroma", bow), feature(None, bow))
    write_geojson(tmp_path / "drawn/c.geojson", feature("Tumor", rectangle(0, 0, 10, 10)))
    return tmp_path


def findings(diagnosis):
    return {(item.severity, item.what.split(",")[0]): item for item in diagnosis.findings}


def test_a_schema_is_proposed_and_sound_slides_are_counted(folder):
    diagnosis = examine_slides(folder / "slides", folder / "drawn", processes=1)

    assert [item.name for item in diagnosis.schema.classes] == ["Stroma", "Tumor"]
    assert diagnosis.class_pixels == (1250, 5100)
    assert diagnosis.class_tiles == (1, 2)
    assert diagnosis.pairs == 3
    assert not diagnosis.errors
    found = findings(diagnosis)
    assert found["warning", "slides that do not say their microns per pixel"].where == ("b.tif",)
    assert found["warning", "slides of several resolutions"].where == (
        "a.tif: 0.25 µm per pixel", "c.tif: 0.5 µm per pixel",
    )  # fmt: skip
    assert len(found["warning", "annotations that are taken as they are not quite"].where) == 1
    assert found["warning", "annotations without a class"].where == ("b.geojson: 1",)
    assert diagnosis.as_json()["ready"]


def test_what_does_not_fit_is_an_error(folder):
    write_slide(folder / "slides/lonely.tif", tissue(64, 64), levels=1)
    write_geojson(folder / "drawn/orphan.geojson")
    (folder / "slides/c.tif").write_bytes(b"none")
    diagnosis = examine_slides(folder / "slides", folder / "drawn", SCHEMA, processes=1)

    found = findings(diagnosis)
    assert found["error", "slides without annotations of the same name"].where == ("lonely.tif",)
    assert found["error", "annotations without a slide of the same name"].count == 1
    assert "c.tif" in found["error", "slides or annotations that cannot be used"].where[0]
    (unknown,) = found["error", "annotations of classes that the schema does not have"].where
    assert unknown.startswith("b.geojson has classes that schema s (Tumor, Fat) does not have")
    assert diagnosis.class_pixels == (5000, 0)


def test_a_table_says_groups_and_resolutions(folder):
    table = folder / "table.csv"
    table.write_text("tile,patient,mpp\na.svs,1,\nb.tif,2,0.25\n")
    diagnosis = examine_slides(folder / "slides", folder / "drawn", groups=table, processes=1)

    found = findings(diagnosis)
    assert found["error", "slides of which the CSV says nothing"].where == ("c.tif",)
    assert ("warning", "slides that do not say their microns per pixel") not in found


def test_no_annotation_has_a_class(folder):
    for name in "abc":
        write_geojson(folder / f"drawn/{name}.geojson")

    diagnosis = examine_slides(folder / "slides", folder / "drawn", processes=1)
    assert (diagnosis.schema, diagnosis.proposal, diagnosis.class_pixels) == (None, None, ())


def test_no_such_folder(folder):
    with pytest.raises(InputError, match="folder of annotations: .* does not exist"):
        examine_slides(folder / "slides", folder / "drawings")
