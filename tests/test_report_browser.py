"""The report in a real browser: it plays, sorts, fits, and asks the network for nothing."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from browser_scripts import COLOURS
from report_sections import RATE, every_page, tone

from ossicle.runs.report import write_page

RECIPES = Path(__file__).parents[1] / "recipes"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return write_page(tmp_path_factory.mktemp("report") / "report.html", every_page(footer="made in a test"))


@pytest.fixture(scope="module")
def drift_report(tmp_path_factory):
    """What the drift recipe writes, at smoke size."""
    recipe = pytest.importorskip("ossicle_unmix_tns.drift.recipe")
    folder = tmp_path_factory.mktemp("drift")
    (folder / "fsdd" / "recordings").mkdir(parents=True)
    draw = np.random.default_rng(0)
    for digit in range(10):
        for take in range(4):
            wave = tone(250 + 300 * digit, 0.3)
            wave += 0.01 * draw.standard_normal(len(wave)).astype(np.float32)
            soundfile.write(folder / "fsdd" / "recordings" / f"{digit}_ann_{take}.wav", wave, RATE)
    words = ["--data", str(folder / "fsdd"), "--out", str(folder / "run"), "--smoke", "--seeds", "0", "--quiet"]
    words += ["--adapters", "source,tbn,rbn,unmix-tns", "--streams", "dirichlet,dirichlet-one,gradual"]
    assert recipe.run(RECIPES / "fsdd" / "drift", words) == 0
    return folder / "run" / "report.html"


@pytest.fixture(scope="module")
def outliers_report(tmp_path_factory):
    """What the recipe of outliers in tables writes, at smoke size."""
    tables = pytest.importorskip("ossicle_outliers.recipes.tables")
    options = pytest.importorskip("ossicle_outliers.recipes.options")
    folder = tmp_path_factory.mktemp("outliers")
    draw = np.random.default_rng(0)
    for name in ("first", "second"):
        y = np.arange(90) % 9 == 0
        np.savez(folder / f"{name}.npz", X=draw.standard_normal((90, 4)) + 4 * y[:, None], y=y)
    (folder / "manifest.csv").write_text("name,n,d\nfirst,90,4\nsecond,90,4\n")
    words = ["--data", str(folder), "--out", str(folder / "run"), "--smoke", "--quiet"]
    assert options.main(tables.run, RECIPES / "odds" / "outliers", words, data={"data": ""}) == 0
    return folder / "run" / "report.html"


@pytest.fixture(scope="module")
def scores_page(tmp_path_factory):
    """What `ossicle outliers score --html` writes."""
    pytest.importorskip("ossicle_outliers")
    from ossicle.cli.app import main

    folder = tmp_path_factory.mktemp("scores")
    (folder / "pool").mkdir()
    for number in range(8):
        name = f"{'a-rather-long-name-of-a-clip-' * 3}{number}.wav"
        soundfile.write(folder / "pool" / name, tone(400 + 10 * number), RATE)
    words = ["outliers", "fit", str(folder / "pool"), "-o", str(folder / "model"), "--detector", "knn:neighbors=2"]
    assert main([*words, "--quiet"]) == 0
    words = ["outliers", "score", str(folder / "pool"), "--model", str(folder / "model"), "--quiet", "--drop", "0.25"]
    assert main([*words, "--html", str(folder / "page.html")]) == 0
    return folder / "page.html"


@pytest.fixture(params=["drift_report", "outliers_report", "scores_page"])
def written(request):
    """A page that a recipe or a command wrote."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def opened(browser, report):
    """Open a page; at the end no complaint and no request but for the page itself may have come."""
    complaints, requests, places = [], [], set()

    def open_(width, scheme="light", path=report):
        places.add(path.as_uri())
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.goto(path.as_uri())
        return page

    yield open_
    assert complaints == []
    assert {url for url in requests if not url.startswith("data:")} == places


@pytest.mark.parametrize("clip", ["clip one, original", "long clip, original"])
def test_a_clip_plays_to_its_end_and_again(opened, clip):
    page = opened(1280)
    # A reader takes a while to press the button: by then the browser has put its decoder to rest.
    page.wait_for_timeout(1000)
    heard = page.get_by_label(clip, exact=True).evaluate(
        """async (player) => {
          player.muted = true;
          const plays = [];
          for (const turn of [1, 2]) {
            const end = new Promise((done) => {
              for (const what of ["ended", "error"]) player.addEventListener(what, () => done(what), { once: true });
              setTimeout(() => done("not within a minute"), 60_000);
            });
            await player.play();
            plays.push(await end);
          }
          return [plays, player.currentTime === player.duration, player.error?.message ?? null];
        }"""
    )
    assert heard == [["ended", "ended"], True, None]


def test_one_player_stops_another(opened):
    states = opened(1280).evaluate(
        """async () => {
          const players = [...document.querySelectorAll("audio")].slice(0, 2);
          for (const player of players) {
            player.muted = player.loop = true;
            await player.play();
          }
          return players.map((player) => player.paused);
        }"""
    )
    assert states == [True, False]


def test_a_table_sorts_by_number_both_ways_with_the_empty_last(opened):
    page = opened(1280)
    table = page.locator("#rows table")
    values = lambda: table.locator("tbody td:nth-child(2)").all_inner_texts()  # noqa: E731
    table.get_by_role("button", name="value").click()
    assert values() == ["9.25", "10.50", "100.00", "–"]
    assert table.locator("th").nth(1).get_attribute("aria-sort") == "ascending"
    table.get_by_role("button", name="value").click()
    assert values() == ["100.00", "10.50", "9.25", "–"]
    table.get_by_role("button", name="name").click()
    assert table.locator("tbody td:first-child").all_inner_texts()[-3:] == ["a", "b", "c"]


def test_names_from_a_run_stay_text(opened):
    page = opened(1280)
    assert page.locator("script").count() == 1
    assert '<script>alert("x")</script>' in page.locator("#rows td").nth(4).inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_nothing_is_cut_and_nothing_overlaps(opened, width, scheme):
    check_layout(opened(width, scheme), width)


@pytest.mark.parametrize("width", [390, 1280])
def test_what_recipes_write_is_whole_at_every_width(opened, written, width):
    page = opened(width, path=written)
    check_layout(page, width)
    broken = page.locator("audio").evaluate_all("(all) => all.filter((one) => one.error).length")
    assert broken == 0 and page.locator("main section").count() >= 4


def check_layout(page, width):
    """Check that nothing leaves the page or its picture and no two parts overlap."""
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # Whatever is wider than its place must be in a box that scrolls; text in a chart must be inside its picture.
    outside = page.evaluate(
        """() => [...document.querySelectorAll("main *, header *")].filter((one) => {
          if (one.closest(".scroll, pre") && !one.matches(".scroll, pre")) return false;
          const box = one.getBoundingClientRect();
          return box.width > 0 && (box.right > innerWidth + 0.5 || box.left < -0.5);
        }).map((one) => one.outerHTML.slice(0, 120))"""
    )
    assert outside == []
    cut = page.evaluate(
        """() => [...document.querySelectorAll("svg text")].filter((text) => {
          const box = text.getBoundingClientRect(), around = text.ownerSVGElement.getBoundingClientRect();
          return box.left < around.left - 1 || box.right > around.right + 1
            || box.top < around.top - 1 || box.bottom > around.bottom + 1;
        }).map((text) => text.textContent)"""
    )
    assert cut == []
    overlapping = page.evaluate(
        """() => {
          const boxes = [...document.querySelectorAll("section, figure, header, footer")].map((one) => [one, one.getBoundingClientRect()]);
          return boxes.flatMap(([a, x], at) => boxes.slice(at + 1)
            .filter(([b, y]) => !a.contains(b) && !b.contains(a)
              && Math.min(x.right, y.right) - Math.max(x.left, y.left) > 1
              && Math.min(x.bottom, y.bottom) - Math.max(x.top, y.top) > 1)
            .map(([b]) => `${a.tagName}#${a.id} and ${b.tagName}#${b.id}`));
        }"""
    )
    assert overlapping == []
    assert float(page.evaluate("getComputedStyle(document.body).fontSize").removesuffix("px")) >= 16


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_on_what_it_stands_on(opened, scheme):
    """WCAG AA: 4.5 to 1, of every piece of text against the nearest background that is painted behind it."""
    faint = opened(1280, scheme).evaluate(
        "() => {"
        + COLOURS
        + """
          const found = [];
          for (const one of document.querySelectorAll("body *")) {
            const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
            if (!own || one.matches("script, title, desc") || !one.getClientRects().length) continue;
            const style = getComputedStyle(one);
            let back = behind(one);
            const tile = one.matches("text.count") && one.parentElement.querySelector(".hit, .miss");
            if (tile) {
              const over = parse(getComputedStyle(tile).fill), share = Number(tile.getAttribute("fill-opacity"));
              back = [0, 1, 2].map((i) => share * over[i] + (1 - share) * back[i]);
            }
            const ratio = contrast(parse(one.ownerSVGElement ? style.fill : style.color), back);
            if (ratio < 4.5) found.push(`${one.tagName}.${one.className} ${ratio.toFixed(2)}`);
          }
          return found;
        }"""
    )
    assert faint == []
