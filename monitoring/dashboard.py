"""Writes grafana-dashboard.json: `python3 monitoring/dashboard.py > monitoring/grafana-dashboard.json`."""

import json

ROWS = [
    ("Is it well?", [
        ("Broken audit chains", "stat", "max(driftpack_audit_chains_broken)", "none"),
        ("Workers", "stat", "max(engine_workers)", "none"),
        ("Oldest due run", "stat", "max(engine_queue_oldest_age_seconds)", "s"),
        ("Requests that fail", "stat", 'sum(rate(driftpack_http_requests_total{status=~"5.."}[5m])) / sum(rate(driftpack_http_requests_total[5m]))', "percentunit"),
    ]),
    ("Runs", [
        ("Runs that have not ended", "timeseries", "max by (workflow, state) (engine_runs)", "none"),
        ("Due and without a worker", "timeseries", "max by (workflow) (engine_queue_depth)", "none"),
        ("Ended, per minute", "timeseries", "sum by (workflow, how) (rate(engine_runs_left_total[5m])) * 60", "none"),
        ("Tried again, per minute", "timeseries", "sum by (step) (rate(engine_step_retries_total[5m])) * 60", "none"),
        ("Steps: 95 % are shorter", "timeseries", "histogram_quantile(0.95, sum by (le, step) (rate(engine_step_seconds_bucket[5m])))", "s"),
        ("Taken back, leases lost, per minute", "timeseries", "(sum(rate(engine_runs_recovered_total[5m])) + sum(rate(engine_leases_lost_total[5m]))) * 60", "none"),
    ]),
    ("Requests", [
        ("By status, per second", "timeseries", "sum by (status) (rate(driftpack_http_requests_total[5m]))", "reqps"),
        ("95 % are faster", "timeseries", "histogram_quantile(0.95, sum by (le, operation) (rate(driftpack_http_request_duration_seconds_bucket[5m])))", "s"),
    ]),
    ("Evidence", [
        ("Checks of audit chains", "timeseries", "max by (extent, verdict) (driftpack_audit_chain_checks_total)", "none"),
        ("Room for packs", "timeseries", "min by (instance) (driftpack_storage_free_bytes)", "bytes"),
        ("Packs can be signed for", "timeseries", "min(driftpack_signing_key_end_timestamp_seconds) - time()", "s"),
        ("Since the last check", "timeseries", "time() - max by (extent) (driftpack_audit_chain_check_timestamp_seconds)", "s"),
        ("Ticks that started nothing", "timeseries", "max by (schedule) (engine_schedule_missed_total)", "none"),
        ("Schedules start late by", "timeseries", "histogram_quantile(0.95, sum by (le, schedule) (rate(engine_schedule_lag_seconds_bucket[1h])))", "s"),
    ]),
]


def panel(number, title, kind, query, unit, place):
    return {
        "id": number, "title": title, "type": kind, "gridPos": place,
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [{"refId": "A", "expr": query}],
    }


def dashboard():
    panels, top = [], 0
    for heading, row in ROWS:
        panels.append({"id": len(panels) + 1, "type": "row", "title": heading, "gridPos": {"x": 0, "y": top, "w": 24, "h": 1}})
        top += 1
        width = 24 // min(len(row), 4)
        height = 4 if row[0][1] == "stat" else 8
        for place, (title, kind, query, unit) in enumerate(row):
            x, y = place * width % 24, top + place * width // 24 * height
            panels.append(panel(len(panels) + 1, title, kind, query, unit, {"x": x, "y": y, "w": width, "h": height}))
        top = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in panels)
    return {
        "title": "driftpack", "uid": "driftpack", "tags": ["driftpack"], "schemaVersion": 39, "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"}, "timezone": "utc", "panels": panels,
        "templating": {"list": [{"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"}]},
    }


if __name__ == "__main__":
    print(json.dumps(dashboard(), indent=1))
