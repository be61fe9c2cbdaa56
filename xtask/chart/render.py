"""Lints and renders the chart with the `helm` of the PATH, or else with the engine of helm-python-sdk.

    render.py CHART OUTPUT

Writes OUTPUT/NAME.yaml for each values file of CHART/ci, and for the defaults; the configuration files among them as
NAME.toml; all custom resources as custom.json; and what k8s/ holds as plain.yaml. Needs no cluster."""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import yaml

RELEASE = "tidegate"


def main(chart, output):
    engine = binary if shutil.which("helm") else library
    print("rendered by", engine.__doc__)
    cases = {"default": None}
    for file in sorted((chart / "ci").glob("*-values.yaml")):
        cases[file.name.removesuffix("-values.yaml")] = file
    custom = []
    for name, values in cases.items():
        documents = engine(chart, values)
        (output / f"{name}.yaml").write_text(joined(documents))
        config = [one for one in documents if "tidegate.toml" in one.get("data", {})]
        if len(config) != 1:
            sys.exit(f"{name}: {len(config)} configurations")
        (output / f"{name}.toml").write_text(config[0]["data"]["tidegate.toml"])
        custom += [one for one in documents if one["apiVersion"].count(".") > 1]
        if name == "default":
            hook = lambda one: "helm.sh/hook" in one["metadata"].get("annotations", {})
            plain = joined([one for one in documents if not hook(one)])
            (output / "plain.yaml").write_text("# The chart with its defaults, by `cargo xtask generate`.\n" + plain)
    (output / "custom.json").write_text(json.dumps(custom))
    refused(engine, chart)
    secured(engine, chart)
    print("linted and rendered:", ", ".join(cases))


def binary(chart, values):
    """helm"""
    options = [] if values is None else ["--values", str(values)]
    run = lambda *args: subprocess.run(["helm", *args, *options], check=True, stdout=subprocess.PIPE, text=True).stdout
    run("lint", "--strict", str(chart))
    text = run("template", RELEASE, str(chart), "--namespace", RELEASE)
    return ordered(yaml.safe_load_all(text))


def library(chart, values):
    """helm-python-sdk"""
    import helm_python

    values = {} if values is None else yaml.safe_load(values.read_text())
    report = helm_python.lint(chart, values, strict=True, namespace=RELEASE)
    findings = [f"{one['path']}: {one['error']}" for one in report["messages"] if one["severity"] > 1]
    if findings or report["errors"]:
        sys.exit("lint: " + "; ".join(findings + report["errors"]))
    with helm_python.Chart.load(chart) as loaded:
        files = loaded.render(values, name=RELEASE, namespace=RELEASE)
    documents = []
    for name, text in files.items():
        if name.endswith(".yaml"):
            documents += yaml.safe_load_all(text)
    return ordered(documents)


def ordered(documents):
    """The same text whichever engine made it."""
    key = lambda one: (one["kind"], one["metadata"]["name"])
    return sorted(filter(None, documents), key=key)


def joined(documents):
    dump = lambda one: yaml.dump(one, sort_keys=True, width=10_000, allow_unicode=True, Dumper=Dumper)
    return "---\n".join(map(dump, documents))


class Dumper(yaml.SafeDumper):
    """Texts of several lines stay readable."""


def text(dumper, value):
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


Dumper.add_representer(str, text)


def refused(engine, chart):
    """Values that the schema, or a template, must not let pass."""
    wrong = {
        "a key that does not exist": {"gateway": {"replica": 3}},
        "a key of the configuration that does not exist": {"config": {"limits": {"conections": 5}}},
        "a secret in the configuration": {"config": {"auth": {"jwt": {"secret": "not here"}}}},
        "a time without a unit": {"config": {"drain": {"grace": "10"}}},
        "two autoscalers": {"worker": {"autoscaling": {"enabled": True}, "keda": {"enabled": True, "prometheus": "x"}}},
        "probes of a port that asks for certificates": {"config": {"worker": {"admin_tls": {"cert": "/c", "key": "/k", "client_ca": "/a"}}}},
        "a share of no limit": {"gateway": {"autoscaling": {"connections": {"enabled": True}}}},
    }
    for what, values in wrong.items():
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(yaml.dump(values))
            file.flush()
            try:
                engine(chart, pathlib.Path(file.name))
            except (Exception, SystemExit):
                continue
        sys.exit(f"{what} is accepted: {values}")


def secured(engine, chart):
    """Where admin ports have TLS, probes and monitors know it."""
    tls = {"cert": "/etc/tidegate-tls/tls.crt", "key": "/etc/tidegate-tls/tls.key"}
    values = {
        "config": {"gateway": {"admin_tls": tls}, "worker": {"admin_tls": tls}},
        "monitoring": {"podMonitor": {"enabled": True}, "tlsConfig": {"serverName": "tidegate"}},
    }
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(yaml.dump(values))
        file.flush()
        documents = engine(chart, pathlib.Path(file.name))
    probed = monitored = 0
    for one in documents:
        name = f"{one['kind']} {one['metadata']['name']}"
        if one["kind"] == "Deployment":
            for container in one["spec"]["template"]["spec"]["containers"]:
                for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                    probed += 1
                    if container[probe]["httpGet"].get("scheme") != "HTTPS":
                        sys.exit(f"{name}: {probe} is without TLS")
        if one["kind"] == "PodMonitor":
            for endpoint in one["spec"]["podMetricsEndpoints"]:
                monitored += 1
                if (endpoint.get("scheme"), endpoint.get("tlsConfig")) != ("https", {"serverName": "tidegate"}):
                    sys.exit(f"{name}: it scrapes without TLS")
    if not (probed and monitored):
        sys.exit(f"{probed} probes and {monitored} endpoints of monitors with TLS")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
