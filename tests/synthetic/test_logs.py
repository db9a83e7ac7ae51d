from __future__ import annotations

import gzip
import re
from datetime import datetime
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import log_loss, roc_auc_score

from ctrkit.synthetic import SyntheticConfig, best_scores, frame, generate, logs, truth

ROWS = 70_000  # more than two chunks


@pytest.fixture(scope="module")
def criteo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("criteo")
    return generate(folder / "log.txt", rows=ROWS, probabilities=folder / "log.npy")


@pytest.fixture(scope="module")
def criteo_frame():
    return frame(rows=ROWS)


@pytest.fixture(scope="module")
def avazu_frame():
    return frame(rows=ROWS, format="avazu")


@pytest.fixture(scope="module")
def planted():
    """The truth behind ROWS rows: parts of the logit, entries, clicks."""
    source = logs._Source(rows=ROWS, format="criteo", seed=2021, config=None)
    chunks = list(source.chunks())
    entries = [
        np.concatenate(column)[:ROWS] for column in zip(*(c.entries for c in chunks), strict=True)
    ]
    parts = source.truth.parts(entries, np.zeros(ROWS, dtype=np.intp))
    return source, entries, parts, np.concatenate([chunk.labels for chunk in chunks])


# the file


def test_same_arguments_give_the_same_bytes(tmp_path):
    for name in ("a.txt.gz", "b.txt.gz"):
        generate(tmp_path / name, rows=3000, seed=5)
    assert (tmp_path / "a.txt.gz").read_bytes() == (tmp_path / "b.txt.gz").read_bytes()


def test_another_seed_gives_another_log_with_other_tokens():
    first, second = frame(rows=2000, seed=1), frame(rows=2000, seed=2)
    assert not set(first["C1"]) & set(second["C1"])


def test_gz_holds_the_text_of_the_plain_file(tmp_path):
    generate(tmp_path / "log.txt", rows=1000)
    generate(tmp_path / "log.txt.gz", rows=1000)
    packed = (tmp_path / "log.txt.gz").read_bytes()
    assert gzip.decompress(packed) == (tmp_path / "log.txt").read_bytes()


@pytest.mark.parametrize("rows", [1, 32_767, 32_769])
def test_a_smaller_criteo_log_is_the_beginning_of_a_larger_one(criteo, tmp_path, rows):
    log = generate(tmp_path / "small.txt", rows=rows)
    text = log.path.read_bytes()
    assert text.count(b"\n") == rows
    assert criteo.path.read_bytes().startswith(text)


def test_strengths_change_clicks_and_no_value(criteo_frame):
    linear = frame(rows=5000, config=SyntheticConfig(pair_strength=0))
    pd.testing.assert_frame_equal(
        linear.drop(columns="label"), criteo_frame.iloc[:5000].drop(columns="label")
    )
    assert (linear["label"] != criteo_frame["label"].iloc[:5000]).any()


def test_criteo_rows_are_label_13_integers_and_26_tokens_of_8_hex_digits(criteo):
    token = "(?:[0-9a-f]{8})?"
    row = re.compile("[01]" + r"\t(?:-?\d+)?" * 13 + rf"\t{token}" * 26)
    lines = criteo.path.read_text().splitlines()
    assert len(lines) == ROWS
    assert all(row.fullmatch(line) for line in lines[::37])


def test_criteo_cells_are_missing_as_often_as_in_the_public_log(criteo_frame):
    rates = criteo_frame.isna().mean()
    public = {"I1": 0.45, "I2": 0, "I3": 0.21, "I12": 0.76, "C1": 0, "C3": 0.034, "C6": 0.12}
    public |= dict.fromkeys(("C19", "C20", "C25", "C26"), 0.44) | {"C22": 0.76, "label": 0}
    for name, rate in public.items():
        assert rates[name] == pytest.approx(rate, abs=0.01), name
    assert (criteo_frame["C19"].isna() == criteo_frame["C26"].isna()).all()


def test_only_i2_is_negative_and_integers_are_heavy_tailed(criteo_frame):
    integers = criteo_frame.loc[:, "I1":"I13"]
    assert list(integers.columns[(integers < 0).any()]) == ["I2"]
    assert integers["I5"].max() > 100 * integers["I5"].median()


def test_cardinalities_range_from_a_handful_to_a_tail_that_keeps_growing(criteo_frame):
    distinct = criteo_frame.nunique()
    assert distinct["C9"] == 3
    counts = criteo_frame["C3"].value_counts()
    assert (counts == 1).sum() > 0.8 * len(counts) > 0.3 * ROWS
    assert distinct["C3"] > 1.7 * criteo_frame["C3"].iloc[: ROWS // 2].nunique()
    assert criteo_frame["C1"].value_counts(normalize=True).iloc[0] > 0.3


def test_tail_start_sets_how_many_values_come_back(criteo_frame):
    full = frame(rows=ROWS, config=SyntheticConfig(tail_start=0))
    often = [(table["C24"].value_counts() >= 8).sum() for table in (full, criteo_frame)]
    assert often[0] > 1.5 * often[1]


def test_avazu_has_its_header_and_is_sorted_by_hour_over_its_days(tmp_path):
    config = SyntheticConfig(num_days=3)
    log = generate(tmp_path / "log.csv", rows=5000, format="avazu", config=config)
    header = log.path.read_text().splitlines()[0]
    assert header == (
        "id,click,hour,C1,banner_pos,site_id,site_domain,site_category,app_id,app_domain,"
        "app_category,device_id,device_ip,device_model,device_type,device_conn_type,"
        "C14,C15,C16,C17,C18,C19,C20,C21"
    )
    hours = pd.read_csv(log.path)["hour"]
    times = [datetime.strptime(str(hour), "%y%m%d%H") for hour in hours]
    assert times == sorted(times)
    assert len({time.date() for time in times}) == 3
    assert len(set(times)) == 72


def test_avazu_cells_are_whole_and_ids_unique(avazu_frame):
    assert avazu_frame.shape == (ROWS, 24)
    assert not avazu_frame.isna().any().any()
    assert avazu_frame["id"].is_unique
    assert avazu_frame["id"].str.fullmatch(r"1\d{19}").all()
    assert avazu_frame["device_ip"].str.fullmatch("[0-9a-f]{8}").all()
    assert -1 in set(avazu_frame["C20"])
    assert avazu_frame["device_ip"].nunique() > 0.5 * ROWS


@pytest.mark.parametrize(("log_format", "rate"), [("criteo", 0.256), ("avazu", 0.17)])
def test_the_click_rate_is_the_public_one_unless_set(log_format, rate):
    assert truth(rows=ROWS, format=log_format).labels.mean() == pytest.approx(rate, abs=0.008)
    config = SyntheticConfig(click_rate=0.05)
    labels = truth(rows=ROWS, format=log_format, config=config).labels
    assert labels.mean() == pytest.approx(0.05, abs=0.005)


# the best that can be reached


@pytest.mark.parametrize("log_format", logs.FORMATS)
def test_best_scores_equal_scikit_learn_on_the_written_probabilities(tmp_path, log_format):
    log = generate(tmp_path / "log", rows=ROWS, format=log_format, probabilities=tmp_path / "p.npy")
    separator = "," if log_format == "avazu" else "\t"
    table = pd.read_csv(log.path, sep=separator, header=0 if log_format == "avazu" else None)
    labels = table["click" if log_format == "avazu" else 0].to_numpy()
    chances = np.load(log.probabilities).astype(np.float64)
    assert log.clicks == labels.sum()
    assert log.click_rate == labels.mean()
    assert log.best_auc == pytest.approx(roc_auc_score(labels, chances), abs=1e-12)
    assert log.best_logloss == pytest.approx(log_loss(labels, chances), abs=1e-12)
    entropy = -(chances * np.log(chances) + (1 - chances) * np.log(1 - chances)).mean()
    assert log.expected_logloss == pytest.approx(entropy, abs=1e-12)
    part = np.random.default_rng(0).permutation(ROWS)[:9000]
    best = log.best(part)
    assert best.auc == pytest.approx(roc_auc_score(labels[part], chances[part]), abs=1e-12)
    assert best.logloss == pytest.approx(log_loss(labels[part], chances[part]), abs=1e-12)
    assert log.best() == (log.best_auc, log.best_logloss, log.expected_logloss)


def test_best_auc_of_one_label_is_nan():
    assert np.isnan(best_scores([1, 1], [0.5, 0.25]).auc)


def test_the_truth_can_be_had_without_the_text(criteo):
    labels, chances = truth(rows=ROWS)
    np.testing.assert_array_equal(chances, np.load(criteo.probabilities))
    assert labels.sum() == criteo.clicks


@pytest.mark.parametrize("log_format", logs.FORMATS)
def test_clicks_are_as_frequent_as_their_probabilities_say(log_format):
    labels, chances = truth(rows=ROWS, format=log_format)
    for part in np.array_split(np.argsort(chances), 20):
        surprise = (labels[part] - chances[part]).sum()
        assert abs(surprise) < 4 * np.sqrt((chances[part] * (1 - chances[part])).sum())


def test_the_default_best_auc_is_about_that_of_the_public_logs(criteo):
    assert 0.78 < criteo.best_auc < 0.83


# what is planted


def test_features_of_the_planted_terms_reach_the_best_auc(planted):
    source, entries, parts, labels = planted
    used = {field: source.truth.groups[field][column] for field, column in enumerate(entries)}
    columns = [
        effects[column] for effects, column in zip(source.truth.effects, entries, strict=True)
    ]
    columns += [
        weights[source.truth.combination(fields, used)]
        for fields, weights in source.truth.interactions
    ]
    features = np.stack(columns, axis=1)
    model = LogisticRegression(C=1e3, max_iter=1000).fit(features, labels)
    reached = roc_auc_score(labels, model.decision_function(features))
    assert reached == pytest.approx(roc_auc_score(labels, parts.sum(axis=0)), abs=0.001)


def test_a_linear_model_on_one_hot_fields_falls_short_of_the_best(planted):
    source, entries, parts, labels = planted
    units = [
        field.units[column] for field, column in zip(source.layout.fields, entries, strict=True)
    ]
    offsets = np.cumsum([0, *(field.units.max() + 1 for field in source.layout.fields)])
    columns = (np.stack(units, axis=1) + offsets[:-1]).ravel().astype(np.int32)
    rows = np.arange(0, columns.size + 1, len(units), dtype=np.int32)
    features = csr_array((np.ones(columns.size), columns, rows), shape=(ROWS, offsets[-1]))
    half = ROWS // 2
    model = SGDClassifier(loss="log_loss", alpha=1e-4, max_iter=5, tol=None, random_state=0)
    model.fit(features[:half], labels[:half])
    reached = roc_auc_score(labels[half:], model.decision_function(features[half:]))
    best = best_scores(labels[half:], 1 / (1 + np.exp(-parts.sum(axis=0)[half:] + 1))).auc
    main_effects = roc_auc_score(labels[half:], parts[0, half:])
    assert 0.6 < reached <= main_effects + 0.002
    assert reached < best - 0.02


def test_every_order_adds_to_the_best_auc(planted):
    _, _, parts, labels = planted
    best = roc_auc_score(labels, parts.sum(axis=0))
    losses = [best - roc_auc_score(labels, parts.sum(axis=0) - part) for part in parts]
    assert min(losses) > 0.005
    assert losses == sorted(losses, reverse=True)


def test_parts_have_the_strengths_of_the_config():
    config = SyntheticConfig(
        main_strength=0.5, pair_strength=0.4, triple_strength=0, quadruple_strength=0.3
    )
    source = logs._Source(rows=30_000, format="avazu", seed=3, config=config)
    (chunk,) = source.chunks()
    parts = source.truth.parts(chunk.entries, chunk.hours % 24)
    np.testing.assert_allclose(parts.std(axis=1), [0.5, 0.4, 0, 0.3], rtol=0.05)


def test_interactions_cannot_be_seen_from_fewer_fields(planted):
    source, entries, _, _ = planted
    used = {field: source.truth.groups[field][column] for field, column in enumerate(entries)}
    for fields, weights in source.truth.interactions:
        index = source.truth.combination(fields, used)
        values = weights[index]
        for fewer in combinations(fields, len(fields) - 1):
            _, cell = np.unique(source.truth.combination(fewer, used), return_inverse=True)
            count = np.bincount(cell)
            mean = np.bincount(cell, weights=values) / count
            square = np.bincount(cell, weights=values.astype(np.float64) ** 2) / count
            z = mean[count > 100] / np.sqrt((square / count)[count > 100] + 1e-12)
            assert np.abs(z).max() < 5


def test_interactions_form_a_staircase_and_use_integers_and_categories(planted):
    source, _, _, _ = planted
    chosen = [set(fields) for fields, _ in source.truth.interactions]
    assert [len(fields) for fields in chosen] == [2] * 8 + [3] * 3 + [4] * 2
    for fields in chosen[8:]:
        assert any(smaller < fields for smaller in chosen if len(smaller) == len(fields) - 1)
    kinds = {source.layout.fields[index].name[0] for fields in chosen for index in fields}
    assert kinds == {"I", "C"}


def test_rare_values_of_a_field_share_an_effect_and_belong_to_no_group(planted):
    source, _, _, _ = planted
    for index, field in enumerate(source.layout.fields):
        shares = field.unit_shares(source.layout.missing_rate(field))[field.units]
        values = np.arange(len(shares)) > 1
        effects, groups = source.truth.effects[index], source.truth.groups[index]
        assert np.all(effects[values & (shares < source.config.frequent_share)] == effects[1])
        assert not groups[values & (shares < source.config.frequent_share)].any()
        assert not groups[:2].any()


# messages


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": 5, "format": "critoe"}, r"unknown format 'critoe'; did you mean 'criteo'\?"),
        ({"rows": 0}, "rows must be positive, got 0"),
        ({"rows": 5, "seed": -1}, "seed must not be negative, got -1"),
    ],
)
@pytest.mark.parametrize("function", [truth, frame])
def test_wrong_arguments_are_refused(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(**arguments)


def test_wrong_arguments_leave_no_file(tmp_path):
    with pytest.raises(ValueError, match="unknown format"):
        generate(tmp_path / "log.txt", rows=5, format="tsv")
    with pytest.raises(ValueError, match=r"path must be a text file, or end in .gz, got '.*xz'"):
        generate(tmp_path / "log.txt.xz", rows=5)
    with pytest.raises(ValueError, match=r"probabilities must name a .npy file, got 'p.csv'"):
        generate(tmp_path / "log.txt", rows=5, probabilities="p.csv")
    assert not list(tmp_path.iterdir())


def test_a_path_that_cannot_be_written_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(logs._Source, "text", None)
    message = r"cannot write .*log.txt: there is no folder .*none"
    with pytest.raises(FileNotFoundError, match=message):
        generate(tmp_path / "none" / "log.txt", rows=5)
    with pytest.raises(IsADirectoryError, match=r"cannot write .*: it is a folder; name a file"):
        generate(tmp_path, rows=5)


def test_an_interrupted_run_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    log = generate(tmp_path / "log.txt", rows=5)
    old = log.path.read_bytes()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(logs.Tally, "add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / "log.txt", rows=50, probabilities=tmp_path / "log.npy")
    assert list(tmp_path.iterdir()) == [log.path]
    assert log.path.read_bytes() == old


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"click_rate": 1.5}, r"click_rate must lie in \[0, 1\), got 1.5"),
        ({"pair_strength": -1}, "pair_strength must not be negative, got -1"),
        ({"num_groups": 1}, "num_groups must lie between 2 and 8, got 1"),
        ({"tail_start": 1.0}, r"tail_start must lie in \[0, 1\), got 1.0"),
        ({"num_days": 0}, "num_days must be positive, got 0"),
    ],
)
def test_a_config_refuses_nonsense(options, message):
    with pytest.raises(ValueError, match=message):
        SyntheticConfig(**options)


def test_more_interactions_than_the_fields_allow_are_refused():
    config = SyntheticConfig(num_pairs=1, num_triples=100)
    with pytest.raises(ValueError, match=r"interactions of 3 fields must be at most \d+ here"):
        truth(rows=5, config=config)


def test_best_scores_refuse_columns_of_different_lengths():
    with pytest.raises(ValueError, match=r"same rows, got \(2,\) and \(1,\)"):
        best_scores([0, 1], [0.5])
