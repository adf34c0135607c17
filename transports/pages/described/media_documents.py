"""`/media` in the OpenAPI document: uploads by tus 1.0.0, files, and links to them."""

from greenroom.transports.media.links import TTL_MAX_S
from greenroom.transports.pages.message_schemas import Json

_ID: Json = {
    "name": "id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[0-9a-f]{24}$"},
}
_NAME: Json = {
    "name": "name",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": 50, "pattern": "^[a-z0-9]+$"},
    "description": "`original`, or one of the view's `renditions`",
}
_VERSION: Json = {
    "name": "Tus-Resumable",
    "in": "header",
    "description": "The protocol: see https://tus.io",
    "schema": {"type": "string", "enum": ["1.0.0"]},
}
_REFUSED: Json = {"$ref": "#/components/responses/Refused"}


def _header(name: str, text: str, *, required: bool = False, **schema: object) -> Json:
    return {"name": name, "in": "header", "description": text, "required": required, "schema": schema}


def _operation(name: str, summary: str, *parameters: Json, status: str, answer: Json, **more: object) -> Json:
    return {
        "operationId": f"media.{name}",
        "tags": ["media"],
        "summary": summary,
        "parameters": list(parameters),
        **more,
        "responses": {status: answer, "default": _REFUSED},
    }


def media_paths(bytes_max: int) -> Json:
    """For uploads of so many bytes."""
    standing: Json = {
        "Upload-Offset": {"schema": {"type": "integer"}},
        "Upload-Length": {"schema": {"type": "integer"}},
        "Upload-Expires": {"schema": {"type": "string"}},
    }
    whole: Json = {"type": "integer", "minimum": 0, "maximum": bytes_max}
    octets: Json = {"application/offset+octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    wanted: Json = {
        "type": "object",
        "required": ["name"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string", "maxLength": 50},
            "ttl_s": {"type": "number", "minimum": 1, "maximum": TTL_MAX_S, "default": 3600},
        },
    }
    link: Json = {
        "type": "object",
        "required": ["url", "expires"],
        "properties": {"url": {"type": "string"}, "expires": {"type": "integer", "description": "Unix s"}},
    }
    files: Json = {f"{sort}/*": {"schema": {"type": "string", "format": "binary"}} for sort in ("image", "video")}
    return {
        "/media": {
            "post": _operation(
                "begin",
                "Begin an upload, for which there is room",
                _VERSION,
                _header("Upload-Length", "Bytes", required=True, type="integer", minimum=1, maximum=bytes_max),
                _header(
                    "Upload-Metadata",
                    "`filename`, `filetype` and `sha256`, of the whole in hexadecimal digits; each value in base64",
                    type="string",
                ),
                status="201",
                answer={"description": "Begun", "headers": {"Location": {"schema": {"type": "string"}}} | standing},
            ),
        },
        "/media/{id}": {
            "parameters": [_ID],
            "head": _operation(
                "how_far",
                "How far an upload is",
                _VERSION,
                status="200",
                answer={"description": "So far", "headers": standing},
            ),
            "patch": _operation(
                "append",
                "More of an upload",
                _VERSION,
                _header("Upload-Offset", "Where it goes on", required=True, **whole),
                _header("Upload-Checksum", "`sha256` or `sha1`, and the digest of the body in base64", type="string"),
                status="204",
                answer={"description": "Taken, and kept", "headers": standing},
                requestBody={"required": True, "content": octets},
            ),
            "delete": _operation(
                "forget",
                "Delete it with all of its files",
                _VERSION,
                status="204",
                answer={"description": "Deleted"},
            ),
        },
        "/media/{id}/links": {
            "parameters": [_ID],
            "post": _operation(
                "link",
                "A link by which anybody may see a file for a while",
                status="200",
                answer={"description": "The link", "content": {"application/json": {"schema": link}}},
                requestBody={"required": True, "content": {"application/json": {"schema": wanted}}},
            ),
        },
        "/media/{id}/{name}": {
            "parameters": [_ID, _NAME],
            "get": _operation(
                "file",
                "A file, or a range of it",
                _header("Range", "One range: `bytes=0-999`", type="string"),
                {"name": "expires", "in": "query", "description": "Of a link", "schema": {"type": "integer"}},
                {"name": "signature", "in": "query", "description": "Of a link", "schema": {"type": "string"}},
                status="200",
                answer={"description": "The file", "content": files},
            ),
        },
    }
