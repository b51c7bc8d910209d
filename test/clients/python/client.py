"""Runs official Python clients, unmodified, and prints what each case came to, a JSON line each.

Called as `client.py <suite>` with OPENAI_BASE_URL, QDRANT_URL, and CASES, a JSON object by suite.
All cases of a suite run at the same time, because nearly all that they do is to wait.
"""

import asyncio
import json
import os
import queue
import sys
import threading
import time
import warnings

import openai
from qdrant_client import AsyncQdrantClient, QdrantClient, models
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse

CASES = json.loads(os.environ["CASES"])
OPENAI_URL = os.environ["OPENAI_BASE_URL"]
QDRANT_URL = os.environ["QDRANT_URL"]
MODEL = "text-embedding-3-small"

# The Qdrant client warns of keys over plain HTTP, and of every try of an upload.
warnings.simplefilter("ignore")


def error_fields(error):
    """All that a caller can learn from an error of either client."""
    response = getattr(error, "response", None)
    headers = getattr(response, "headers", None) or getattr(error, "headers", None) or {}
    content = getattr(error, "content", b"")
    fields = {name: getattr(error, name, None) for name in ("code", "type", "param", "request_id", "retry_after_s")}
    return {
        "class": type(error).__name__,
        "status": getattr(error, "status_code", None),
        "message": str(error),
        "headers": {name.lower(): value for name, value in headers.items()},
        "content": content.decode() if isinstance(content, bytes) else str(content),
        **fields,
    }


def outcome(name, began, value=None, error=None, end=None):
    """The line that is printed about a case."""
    line = {"name": name, "end": end or ("error" if error else "ok"), "value": value}
    if error:
        line["error"] = error_fields(error)
    return {**line, "tookMs": (time.perf_counter() - began) * 1000}


def say(line):
    print(json.dumps(line), flush=True)


def in_threads(jobs, patience=None):
    """Runs all jobs, by name. Those with a patience, in seconds, are reported as waiting after it."""
    done = queue.Queue()

    def work(name, job):
        began = time.perf_counter()
        try:
            done.put(outcome(name, began, value=job()))
        except Exception as error:
            done.put(outcome(name, began, error=error))

    for name, job in jobs.items():
        began = time.perf_counter()
        threading.Thread(target=work, args=(name, job), daemon=True).start()
        if patience and name in patience:
            late = outcome(name, began, end="waiting")
            alarm = threading.Timer(patience[name], done.put, args=(late,))
            alarm.daemon = True
            alarm.start()
    missing = set(jobs)
    while missing:
        line = done.get()
        # The alarm of what has come back rings all the same.
        if line["name"] in missing:
            missing.discard(line["name"])
            say(line)


def embed_arguments(case):
    """One call of a retry case. What a case does not name is left to the client's defaults."""
    extra = {"dimensions": case["dimensions"]} if "dimensions" in case else {}
    if "format" in case:
        extra["encoding_format"] = case["format"]
    return {"model": case.get("model", MODEL), "input": case.get("input", case["name"]), **extra}


def options_of(case):
    """What a case has of its own. The client is shared: making one takes a tenth of a second."""
    timeout = {"timeout": case["timeoutMs"] / 1000} if "timeoutMs" in case else {}
    return {"api_key": case["key"], **timeout}


def openai_sync():
    client = openai.OpenAI(api_key="none", base_url=OPENAI_URL)

    def job(case):
        answer = client.with_options(**options_of(case)).embeddings.create(**embed_arguments(case))
        return answer.data[0].embedding

    # The first call imports half of the client, which is no part of any wait.
    job(CASES["warm"])
    patience = {case["name"]: case["patienceMs"] / 1000 for case in CASES["cases"] if "patienceMs" in case}
    in_threads({case["name"]: lambda case=case: job(case) for case in CASES["cases"]}, patience)


async def openai_async():
    client = openai.AsyncOpenAI(api_key="none", base_url=OPENAI_URL)

    async def job(case):
        began = time.perf_counter()
        call = client.with_options(**options_of(case)).embeddings.create(**embed_arguments(case))
        task = asyncio.ensure_future(call)
        patience = case["patienceMs"] / 1000 if "patienceMs" in case else None
        finished, _ = await asyncio.wait({task}, timeout=patience)
        if not finished:
            task.cancel()
            return outcome(case["name"], began, end="waiting")
        error = task.exception()
        value = None if error else task.result().data[0].embedding
        return outcome(case["name"], began, value=value, error=error)

    await job(CASES["warm"])
    for line in await asyncio.gather(*(job(case) for case in CASES["cases"])):
        say(line)


def texts_of(first):
    return CASES["chunks"][first : first + CASES["batchSize"]]


def points_of(first, vectors):
    return [models.PointStruct(id=first + at, vector=vector, payload={"first": first}) for at, vector in enumerate(vectors)]


def firsts():
    return range(0, len(CASES["chunks"]), CASES["batchSize"])


def vector_params():
    return models.VectorParams(size=CASES["dimensions"], distance=models.Distance.COSINE)


def check(qdrant, vectors):
    """How many points there are, and what is nearest to some of the vectors."""
    for _ in range(50):
        count = qdrant.count("docs", exact=True).count
        # An upload does not wait for its points to be applied.
        if count == len(CASES["chunks"]):
            break
        time.sleep(0.1)
    nearest = [[id, qdrant.query_points("docs", query=vectors[id], limit=1).points[0].id] for id in CASES["asked"]]
    return {"count": count, "nearest": nearest, "sample": vectors[0]}


def upsert_until_done(qdrant, points):
    while True:
        try:
            return qdrant.upsert("docs", points=points)
        except ResourceExhaustedResponse as limited:
            time.sleep(limited.retry_after_s)


def ingest_sync(keys):
    embedder = openai.OpenAI(api_key=keys["openai"], base_url=OPENAI_URL)
    qdrant = QdrantClient(url=QDRANT_URL, api_key=keys["qdrant"])
    qdrant.create_collection("docs", vectors_config=vector_params())
    vectors = []
    for first in firsts():
        answer = embedder.embeddings.create(model=MODEL, input=texts_of(first), dimensions=CASES["dimensions"])
        batch = [item.embedding for item in answer.data]
        upsert_until_done(qdrant, points_of(first, batch))
        vectors += batch
    return check(qdrant, vectors)


def ingest_upload(keys):
    embedder = openai.OpenAI(api_key=keys["openai"], base_url=OPENAI_URL)
    qdrant = QdrantClient(url=QDRANT_URL, api_key=keys["qdrant"])
    qdrant.create_collection("docs", vectors_config=vector_params())
    vectors = []
    for first in firsts():
        answer = embedder.embeddings.create(model=MODEL, input=texts_of(first), dimensions=CASES["dimensions"])
        vectors += [item.embedding for item in answer.data]
    qdrant.upload_points("docs", points_of(0, vectors), batch_size=CASES["batchSize"])
    return check(qdrant, vectors)


def ingest_async(keys):
    async def ingest():
        embedder = openai.AsyncOpenAI(api_key=keys["openai"], base_url=OPENAI_URL)
        qdrant = AsyncQdrantClient(url=QDRANT_URL, api_key=keys["qdrant"])
        await qdrant.create_collection("docs", vectors_config=vector_params())

        async def batch_from(first):
            answer = await embedder.embeddings.create(model=MODEL, input=texts_of(first), dimensions=CASES["dimensions"])
            batch = [item.embedding for item in answer.data]
            while True:
                try:
                    await qdrant.upsert("docs", points=points_of(first, batch))
                    return batch
                except ResourceExhaustedResponse as limited:
                    await asyncio.sleep(limited.retry_after_s)

        batches = [await batch_from(first) for first in firsts()]
        count = (await qdrant.count("docs", exact=True)).count
        vectors = [vector for batch in batches for vector in batch]
        found = [(await qdrant.query_points("docs", query=vectors[id], limit=1)).points[0].id for id in CASES["asked"]]
        nearest = [list(pair) for pair in zip(CASES["asked"], found)]
        return {"count": count, "nearest": nearest, "sample": vectors[0]}

    return asyncio.run(ingest())


def ingest_langchain(keys):
    from langchain_openai import OpenAIEmbeddings

    embedder = OpenAIEmbeddings(
        model=MODEL,
        dimensions=CASES["dimensions"],
        api_key=keys["openai"],
        base_url=OPENAI_URL,
        chunk_size=CASES["batchSize"],
    )
    qdrant = QdrantClient(url=QDRANT_URL, api_key=keys["qdrant"])
    qdrant.create_collection("docs", vectors_config=vector_params())
    vectors = embedder.embed_documents(CASES["chunks"])
    for first in firsts():
        upsert_until_done(qdrant, points_of(first, vectors[first : first + CASES["batchSize"]]))
    return check(qdrant, vectors)


def ingest():
    ways = {"sync": ingest_sync, "async": ingest_async, "upload": ingest_upload, "langchain": ingest_langchain}
    in_threads({name: lambda name=name: ways[name](CASES["keys"][name]) for name in ways})


def qdrant_cases():
    def client(name):
        return QdrantClient(url=QDRANT_URL, api_key=CASES["keys"][name])

    def collection(name, **more):
        qdrant = client(name)
        params = models.VectorParams(size=4, distance=models.Distance.DOT)
        qdrant.create_collection("docs", vectors_config=params, **more)
        return qdrant

    def points(count, size=4):
        return [models.PointStruct(id=id, vector=[1.0] * size) for id in range(count)]

    def upsert(name, size=4):
        return str(collection(name).upsert("docs", points=points(1, size)).status)

    def upsert_async(name):
        async def run():
            qdrant = AsyncQdrantClient(url=QDRANT_URL, api_key=CASES["keys"][name])
            await qdrant.upsert("docs", points=points(1))

        collection(name)
        return asyncio.run(run())

    def upload(name):
        qdrant = collection(name)
        qdrant.upload_points("docs", points(10))
        time.sleep(0.2)
        return qdrant.count("docs", exact=True).count

    def strict(name):
        limit = models.StrictModeConfig(enabled=True, write_rate_limit=3600)
        qdrant = collection(name, strict_mode_config=limit)
        qdrant.upsert("docs", points=points(3600))
        qdrant.upload_points("docs", points(128))
        return qdrant.count("docs", exact=True).count

    ways = {
        "upsert-limited": upsert,
        "upsert-bare": upsert,
        "upsert-stalled": upsert,
        "async-limited": upsert_async,
        "async-bare": upsert_async,
        "upload-limited": upload,
        "upload-bare": upload,
        "upload-broken": upload,
        "strict-mode": strict,
        "wrong-size": lambda name: upsert(name, size=3),
        "no-collection": lambda name: client(name).get_collection("docs"),
        "wrong-key": lambda name: client(name).get_collections(),
    }
    in_threads({name: lambda name=name: ways[name](name) for name in CASES["keys"]})


if __name__ == "__main__":
    suite = sys.argv[1]
    if suite == "openai-sync":
        openai_sync()
    elif suite == "openai-async":
        asyncio.run(openai_async())
    elif suite == "ingest":
        ingest()
    elif suite == "qdrant":
        qdrant_cases()
    sys.stdout.flush()
    # Clients that still wait must not keep the process alive.
    os._exit(0)
