#!/usr/bin/env python3
"""A trainer of your own, in plain Python, that cairn can explore.

It fits a one-hidden-layer tanh network to a noisy curve with gradient descent and momentum, and follows
docs/TRAINER_CONTRACT.md: config in, files out, exit codes. Nothing but the standard library is needed.

    python3 train.py run --config config.yaml --out DIR [--resume]
"""
import argparse
import json
import math
import os
import random
import signal
import sys
import time

CONTRACT = 1
DONE, BAD_CONFIG, DIVERGED, STOPPED = 0, 2, 3, 5

stop_requested = False


def on_sigterm(_signum, _frame):
    global stop_requested
    stop_requested = True


class BadConfig(Exception):
    pass


def read_config(path):
    """Two-level YAML (section: / key: value), which is all this trainer needs. Use PyYAML for more."""
    config, section = {}, None
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            text = line.split("#", 1)[0].rstrip()
            if not text.strip():
                continue
            key, colon, value = text.strip().partition(":")
            if not colon:
                raise BadConfig(f"{path}:{number}: expected 'key: value', found '{text.strip()}'")
            if not text.startswith(" ") and not value.strip():
                section = config.setdefault(key, {})
            elif text.startswith(" ") and section is not None:
                section[key.strip()] = (value.strip(), number)
    return config


def number(config, path, section, key, lowest, highest, kind=float):
    if section not in config or key not in config[section]:
        raise BadConfig(f"{path}: {section}.{key} is missing; expected a number in [{lowest}, {highest}]")
    text, line = config[section][key]
    try:
        value = kind(float(text))
    except ValueError:
        raise BadConfig(f"{path}:{line}: {section}.{key}: expected a number, found '{text}'") from None
    if not lowest <= value <= highest:
        raise BadConfig(f"{path}:{line}: {section}.{key}: {text} is outside [{lowest}, {highest}]")
    return value


def replace_file(path, text):
    """A reader sees the old bytes or the new, also after a power cut."""
    temporary = path + ".tmp"
    with open(temporary, "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    os.replace(temporary, path)


class Network:
    """y = b2 + sum_k w2_k tanh(w1_k x + b1_k)"""

    def __init__(self, hidden, rng):
        self.w1 = [rng.gauss(0, 2) for _ in range(hidden)]
        self.b1 = [rng.gauss(0, 1) for _ in range(hidden)]
        self.w2 = [rng.gauss(0, 1 / math.sqrt(hidden)) for _ in range(hidden)]
        self.b2 = 0.0
        self.velocity = [[0.0] * hidden, [0.0] * hidden, [0.0] * hidden]
        self.velocity_b2 = 0.0

    def forward(self, x):
        h = [math.tanh(w * x + b) for w, b in zip(self.w1, self.b1)]
        return self.b2 + sum(w * a for w, a in zip(self.w2, h)), h

    def step(self, x, y, lr, momentum, decay):
        out, h = self.forward(x)
        error = out - y
        for k, a in enumerate(h):
            slope = error * self.w2[k] * (1 - a * a)
            for v, p, g in ((self.velocity[0], self.w1, slope * x), (self.velocity[1], self.b1, slope),
                            (self.velocity[2], self.w2, error * a)):
                v[k] = momentum * v[k] - lr * (g + decay * p[k])
                p[k] += v[k]
        self.velocity_b2 = momentum * self.velocity_b2 - lr * error
        self.b2 += self.velocity_b2
        return error * error

    def state(self):
        return {"w1": self.w1, "b1": self.b1, "w2": self.w2, "b2": self.b2, "velocity": self.velocity,
                "velocity_b2": self.velocity_b2}

    def load(self, state):
        for key, value in state.items():
            setattr(self, key, value)


def curve(x):
    return math.sin(3 * x) + 0.3 * math.cos(7 * x)


def r2(network, points):
    mean = sum(y for _, y in points) / len(points)
    residual = sum((network.forward(x)[0] - y) ** 2 for x, y in points)
    return 1 - residual / sum((y - mean) ** 2 for _, y in points)


def write_result(out, status, metrics, seconds, seeds, message=""):
    replace_file(os.path.join(out, "result.json"), json.dumps({
        "contract": CONTRACT, "status": status, "metrics": metrics, "seconds": seconds, "device": "cpu",
        "versions": {"python": sys.version.split()[0]}, "seeds": seeds, "config_hash": "", "message": message}))


def run(path, out, resume):
    started = time.monotonic()
    config = read_config(path)
    lr = number(config, path, "training", "lr", 0, 10)
    momentum = number(config, path, "training", "momentum", 0, 0.999)
    decay = number(config, path, "training", "weight_decay", 0, 1)
    hidden = number(config, path, "training", "hidden", 1, 200, int)
    epochs = number(config, path, "training", "epochs", 1, 10000, int)
    noise = number(config, path, "simulation", "noise", 0, 10)
    n_points = number(config, path, "simulation", "n_points", 8, 10000, int)
    seeds = {"simulation": number(config, path, "simulation", "seed", 0, 2**63, int),
             "training": number(config, path, "training", "seed", 0, 2**63, int)}

    data_rng = random.Random(seeds["simulation"])
    points = [(x, curve(x) + data_rng.gauss(0, noise)) for x in (data_rng.uniform(-1, 1) for _ in range(n_points))]
    test = [(x, curve(x)) for x in (-1 + 2 * i / 200 for i in range(201))]
    rng = random.Random(seeds["training"])
    network = Network(hidden, rng)
    first = 0
    checkpoint = os.path.join(out, "checkpoint.json")
    if resume and os.path.exists(checkpoint):
        with open(checkpoint, encoding="utf-8") as saved:
            state = json.load(saved)
        network.load(state["network"])
        first = state["epoch"]
        version, words, gauss = state["rng"]
        rng.setstate((version, tuple(words), gauss))

    with open(path, encoding="utf-8") as source:
        replace_file(os.path.join(out, "config.yaml"), source.read())
    with open(os.path.join(out, "metrics.jsonl"), "a", encoding="utf-8") as reports:
        for epoch in range(first, epochs):
            order = list(points)
            rng.shuffle(order)
            loss = sum(network.step(x, y, lr, momentum, decay) for x, y in order) / n_points
            if not math.isfinite(loss) or loss > 1e6:
                write_result(out, "diverged", {}, time.monotonic() - started, seeds, f"loss {loss:g} in epoch {epoch}")
                return DIVERGED
            reports.write(json.dumps({"step": epoch + 1, "seconds": round(time.monotonic() - started, 3),
                                      "values": {"loss": loss, "test_R2": r2(network, test)}}) + "\n")
            reports.flush()
            replace_file(os.path.join(out, "progress.json"), json.dumps(
                {"step": epoch + 1, "steps": epochs, "phase": "train", "seconds": time.monotonic() - started}))
            if stop_requested:
                replace_file(checkpoint, json.dumps(
                    {"epoch": epoch + 1, "network": network.state(), "rng": rng.getstate()}))
                write_result(out, "stopped", {}, time.monotonic() - started, seeds, f"SIGTERM after epoch {epoch + 1}")
                return STOPPED

    replace_file(os.path.join(out, "model.json"), json.dumps(network.state()))
    seconds = time.monotonic() - started
    write_result(out, "ok", {"test_R2": r2(network, test), "final_loss": loss, "training_time_min": seconds / 60},
                 seconds, seeds)
    return DONE


def main():
    parser = argparse.ArgumentParser(description="fit a small network to a noisy curve")
    parser.add_argument("verb", choices=["run"])
    parser.add_argument("--config", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--resume", action="store_true")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, on_sigterm)
    os.makedirs(arguments.out, exist_ok=True)
    try:
        return run(arguments.config, arguments.out, arguments.resume)
    except BadConfig as error:
        print(error, file=sys.stderr)
        return BAD_CONFIG
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return BAD_CONFIG if error.filename == arguments.config else 4


if __name__ == "__main__":
    sys.exit(main())
