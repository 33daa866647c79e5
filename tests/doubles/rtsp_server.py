"""An RTSP server with live test pictures on loopback.

    /usr/bin/python3 rtsp_server.py PORT [--auth basic|digest] [--life SECONDS]

Prints `ready` when it serves, then `port N` (PORT 0 takes a free one). Mounts, all 640x480 and open to all unless it
says otherwise: /test (H.264, a keyframe each second), /long (H.264, a keyframe each ten seconds), /vp8, /mjpeg,
/auth (H.264, for user:pass), /audio (no video), /short (H.264, ends after a second).

Debian: python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-{base,good,ugly,bad}.
"""

import argparse

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

PICTURE = "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=640,height=480,framerate={fps}/1"
H264 = (
    "( " + PICTURE.format(fps=30) + " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max={interval} "
    "bitrate=1000 ! rtph264pay name=pay0 pt=96 config-interval=1 )"
)
VP8 = "( " + PICTURE.format(fps=30) + " ! vp8enc deadline=1 cpu-used=8 keyframe-max-dist=30 ! rtpvp8pay name=pay0 pt=96 )"
# Anything but I420 would make JPEGs that RTP's payload format has no type for.
MJPEG = "( " + PICTURE.format(fps=15) + " ! jpegenc quality=85 ! rtpjpegpay name=pay0 pt=26 )"
SHORT = H264.replace("{interval}", "30").replace("is-live=true", "is-live=true num-buffers=30")
AUDIO = "( audiotestsrc is-live=true ! mulawenc ! rtppcmupay name=pay0 pt=0 )"

EVERYBODY, USER = "everybody", "user"
MOUNTS = {
    "/test": (H264.replace("{interval}", "30"), [EVERYBODY, USER]),
    "/long": (H264.replace("{interval}", "300"), [EVERYBODY, USER]),
    "/vp8": (VP8, [EVERYBODY, USER]),
    "/mjpeg": (MJPEG, [EVERYBODY, USER]),
    "/short": (SHORT, [EVERYBODY, USER]),
    "/audio": (AUDIO, [EVERYBODY, USER]),
    "/auth": (H264.replace("{interval}", "30"), [USER]),
}


def token(role):
    made = GstRtspServer.RTSPToken()
    made.set_string("media.factory.role", role)
    return made


def permissions(roles):
    """Everybody may know of a mount (else it answers 404); who may not use it is asked for a password."""
    made = GstRtspServer.RTSPPermissions()
    for role in (EVERYBODY, USER):
        made.add_permission_for_role(role, "media.factory.access", True)
        made.add_permission_for_role(role, "media.factory.construct", role in roles)
    return made


def authentication(method):
    made = GstRtspServer.RTSPAuth()
    made.set_default_token(token(EVERYBODY))
    if method == "basic":
        made.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
        made.add_basic(GstRtspServer.RTSPAuth.make_basic("user", "pass"), token(USER))
    else:
        made.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        made.add_digest("user", "pass", token(USER))
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("port", type=int)
    parser.add_argument("--auth", choices=["basic", "digest"], default="digest")
    parser.add_argument("--life", type=int, default=120)
    options = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(options.port))
    server.set_auth(authentication(options.auth))
    for path, (launch, roles) in MOUNTS.items():
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(launch)
        factory.set_shared(True)
        factory.set_permissions(permissions(roles))
        server.get_mount_points().add_factory(path, factory)
    loop = GLib.MainLoop()
    if not server.attach(None):
        raise SystemExit(f"port {options.port} of 127.0.0.1 is taken")
    print("ready", flush=True)
    print("port", server.get_bound_port(), flush=True)
    GLib.timeout_add_seconds(options.life, loop.quit)
    loop.run()


if __name__ == "__main__":
    main()
