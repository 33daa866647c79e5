"""The original's worker code behind a fork server, so that its imports (20 s a session as shipped) are paid once.

usage: worker.py PORT. Prints `ready`. One process per session runs the original's own session function.
"""

import json
import multiprocessing
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

os.environ.update(
    OFFLINE_MODE="True", METRICS_ENABLED="False", TELEMETRY_OPT_OUT="True", ENABLE_STREAM_API="False",
    ACTIVE_LEARNING_ENABLED="False", CORE_MODELS_ENABLED="False", ENABLE_BUILDER="False", LOG_LEVEL="WARNING",
)

import inference.core.interfaces.http.http_api  # noqa: E402,F401  registers what a session needs, as the server does
from inference.core.interfaces.webrtc_worker import WebRTCWorkerRequest  # noqa: E402
from inference.core.interfaces.webrtc_worker.cpu import rtc_peer_connection_process  # noqa: E402
from streamvision.camera.entities import VideoFrameProducer  # noqa: E402
from streamvision.webrtc_worker.host import get_webrtc_worker_host  # noqa: E402

# One pipeline built and thrown away: the blocks' imports are paid here, not in every session.
get_webrtc_worker_host().init_workflow_pipeline(
    video_reference=VideoFrameProducer,
    workflow_specification={
        "version": "1.0",
        "inputs": [{"type": "InferenceImage", "name": "image"}],
        "steps": [],
        "outputs": [{"type": "JsonField", "name": "image", "selector": "$inputs.image"}],
    },
    workspace_name=None,
    workflow_id=None,
    api_key="test-key",
    image_input_name="image",
    workflows_parameters={},
    disable_sinks=False,
    workflows_thread_pool_workers=4,
    execution_engine_thread_pool_workers=4,
    cancel_thread_pool_tasks_on_exit=True,
    video_metadata_input_name="video_metadata",
    model_manager=None,
    _is_preview=False,
    workflow_version_id=None,
)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.reply(200, {})

    def do_POST(self):
        request = WebRTCWorkerRequest(**json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        here, there = multiprocessing.Pipe(duplex=False)
        if os.fork() == 0:
            here.close()
            self.server.socket.close()
            self.connection.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            rtc_peer_connection_process(request, there)
            os._exit(0)
        there.close()
        try:
            result = here.recv()
        except EOFError:
            return self.reply(500, {"message": "the session process died"})
        if result.exception_type:
            return self.reply(400, {"message": str(result.error_message), "error_type": result.exception_type})
        self.reply(200, {"status": "success", "sdp": result.answer.sdp, "type": result.answer.type})


signal.signal(signal.SIGCHLD, signal.SIG_IGN)
server = HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("ready", flush=True)
server.serve_forever()
