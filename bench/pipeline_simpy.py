"""The reference pipeline in SimPy, for comparison: python3 bench/pipeline_simpy.py (pip install simpy)."""
import time

import simpy

RECORDS, WORKERS = 200_000, 20


def worker(env, pool, cores, claims):
    for _ in claims:
        with pool.request() as connection:
            yield connection
            yield env.timeout(20)
        with cores.request() as core:
            yield core
            yield env.timeout(80)
        yield env.timeout(380)
        yield env.timeout(120)


env = simpy.Environment()
pool, cores = simpy.Resource(env, 50), simpy.Resource(env, 32)
claims = iter(range(RECORDS))
for _ in range(WORKERS):
    env.process(worker(env, pool, cores, claims))
start = time.process_time()
env.run()
seconds = time.process_time() - start
print(f"SimPy: {RECORDS} records, {WORKERS} workers: {seconds:.2f} s of CPU, {RECORDS / seconds:.0f} records/s")
