"""The client object, its configuration and its errors, under the names of `inference_sdk.http`.

Not here: streaming, which is `framewire.webrtc`.
"""
