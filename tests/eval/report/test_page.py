"""One file that needs nothing else, that anyone can read, and that says what the JSON says."""

import json
import re
from html.parser import HTMLParser

import pytest
from marks import is_marked
from report_results import agreement, discrimination, fid, number, save, write_run, write_tissue

from eval.report.checklist import ITEMS
from eval.report.document import document_of
from eval.report.page import page_of
from eval.report.sources import read_sources
from eval.statistics.result import Result
from hpc.errors import InputError


class Outline(HTMLParser):
    """Headings, pictures, tags and addresses of a page."""

    def __init__(self, page):
        super().__init__()
        self.levels, self.alts, self.tags, self.addresses, self.ids = [], [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag == "img":
            self.alts.append(found.get("alt"))
        self.addresses += [found[name] for name in ("src", "href") if name in found]
        self.ids += [found["id"]] if "id" in found else []


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    folder = write_run(tmp_path_factory.mktemp("report") / "run")
    write_tissue(folder / "tissue")
    save(folder, fid=fid(model=["m" * 64]), readers=agreement(), study=discrimination())
    sources = read_sources(folder)
    return document_of(sources, stated={"ethics": "Approved <by> us.", "note": "A note."})


@pytest.fixture(scope="module")
def outline(document):
    return Outline(page_of(document))


def test_it_needs_nothing_from_outside_and_runs_nothing(document, outline):
    assert "script" not in outline.tags
    assert "link" not in outline.tags
    assert all(one.startswith(("data:image/", "#")) for one in outline.addresses)
    assert {one[1:] for one in outline.addresses if one[0] == "#"} <= set(outline.ids)
    style = page_of(document).split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_headings_have_an_order_and_pictures_have_words(outline):
    assert outline.levels[0] == 1
    assert outline.levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in zip(outline.levels, outline.levels[1:],
                                                              strict=False))  # fmt: skip
    assert outline.alts
    assert all(outline.alts)
    assert len(set(outline.ids)) == len(outline.ids)


def test_tables_have_heads_and_rows_have_names(document):
    page = page_of(document)
    assert page.count("<table") == page.count("<thead")
    for row in re.findall(r"<tbody>(.*?)</tbody>", page, re.DOTALL):
        assert row.count("<tr") == row.count('<th scope="row"')


def test_what_people_wrote_is_text(document):
    page = page_of(document)
    assert "Approved &lt;by&gt; us." in page
    assert "<by>" not in page
    assert "A note." in page


def test_pairs_of_readers_have_names_and_no_minus_zero_is_shown(document):
    page = page_of(document)
    assert "R1 and R0" in page
    assert '<td class="number">0.600 (0.400 to 0.800)</td><td class="number">0.500' in page
    assert "−4.0 × 10⁻⁵" in page
    assert "-0.000" not in page


def test_the_gallery_is_drawn_by_its_seed_with_label_maps(document):
    gallery = document.gallery
    assert (gallery.seed, gallery.total, len(gallery.pictures)) == (0, 20, 12)
    assert all(one.label and one.sha256 for one in gallery.pictures)
    assert all(is_marked(one.tile) and not is_marked(one.label) for one in gallery.pictures)
    assert document.sheets
    assert all(is_marked(one.address) for one in document.sheets)
    assert gallery.legend == (("gland", "#30b155"), ("stroma", "#907e99"))
    names = [one.name for one in gallery.pictures]
    assert names != sorted(names)


def test_another_seed_is_another_gallery_and_the_same_seed_the_same_page(tmp_path):
    write_tissue(tmp_path / "tissue")
    save(tmp_path, fid=fid())
    sources = read_sources(tmp_path)
    first, again, other = (document_of(sources, seed=seed) for seed in (0, 0, 1))
    assert page_of(first) == page_of(again)
    assert [p.name for p in first.gallery.pictures] != [p.name for p in other.gallery.pictures]


def test_the_data_hold_what_the_page_says(document):
    data = json.loads(json.dumps(document.as_json()))
    assert (data["schema_version"], data["kind"]) == (1, "report")
    assert [claim["verdict"] for claim in data["claims"]].count("shown") == 2
    assert data["claims"][0]["interval"] == [0.47, 0.57]
    assert len(data["results"]) == 3
    assert data["floors"][0] == {"of": "Fréchet distance", "value": 0.6, "range": [0.5, 0.7],
                                 "n": 20, "source": "fid.json"}  # fmt: skip
    assert data["gallery"]["tiles"][0]["sha256"]
    assert "3 steps" in data["provenance"]["Model"]["training"]


def test_items_are_answered_by_the_run_its_owner_or_not_at_all(document):
    items = {one["id"]: one for one in document.items}
    assert len(items) == len(ITEMS)
    assert items["ethics"]["answered_by"] == "owner"
    assert items["model"]["answer"].startswith(f"Generator, weights sha256 {'m' * 64}")
    assert items["margin"]["answer"] == "Agreement: 0.200; discrimination: 0.100."
    assert (items["funding"]["answer"], items["funding"]["answered_by"]) == ("not stated", None)


def test_an_answer_to_no_item_is_refused(tmp_path):
    sources = read_sources(save(tmp_path, fid=fid()))
    with pytest.raises(InputError, match="no item 'ethik'. Known are: note, next, intended-use"):
        document_of(sources, stated={"ethik": "..."})


def test_methods_and_limits_are_sentences(document):
    assert "A generator was trained on pairs of label map and tile (3 steps" in document.methods
    assert "8 patients kept whole" in document.methods
    assert document.limits[0] == "Fewer than 2048 tiles. (fid.json)"
    assert ". ." not in document.methods


def test_a_result_without_numbers_is_no_fault(tmp_path):
    save(
        tmp_path,
        odd=Result(kind="fid", inputs={"real": 3}, settings={}, numbers=()),
        other=Result(
            kind="c2st", inputs={}, settings={}, numbers=(number("auc_network_scale_1", 1.0),)
        ),
    )
    page = page_of(document_of(read_sources(tmp_path)))
    assert "A classifier cannot tell" in page
