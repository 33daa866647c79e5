"""What the benches' Python clients share: the workflow that hands frames through, and this process's CPU time."""

import resource


def passthrough(width, height):
    """A crop of the whole picture: every frame comes back, as output `crop`."""
    crop = {
        "type": "roboflow_core/absolute_static_crop@v1",
        "name": "crop",
        "images": "$inputs.image",
        "x_center": width // 2,
        "y_center": height // 2,
        "width": width,
        "height": height,
    }
    return {
        "version": "1.0",
        "inputs": [{"type": "InferenceImage", "name": "image"}],
        "steps": [crop],
        "outputs": [{"type": "JsonField", "name": "crop", "coordinates_system": "own", "selector": "$steps.crop.crops"}],
    }


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_rss_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
