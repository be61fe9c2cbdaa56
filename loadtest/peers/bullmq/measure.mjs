// What jobs cost Redis with BullMQ: lifecycles (add, take, complete), without and with progress reports, and reports alone, 64 under way at once,
// as shared/tests/on_redis/figures.rs does it with Tidegate. Prints the same lines.
//
//     node measure.mjs PORT        a redis-server of its own, which is emptied

import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";

const NUMBER = Number(process.env.NUMBER ?? 20_000);
const TASKS = 64;
const LEASE = 600_000;

const connection = { host: "127.0.0.1", port: Number(process.argv[2]), maxRetriesPerRequest: null };
const queue = new Queue("q", { connection });
// Jobs are taken by hand, so that nothing but the three steps is measured.
const worker = new Worker("q", null, { connection, lockDuration: LEASE, skipStalledCheck: true, skipLockRenewal: true });
const redis = new Redis(connection);
await worker.waitUntilReady();

async function cpu() {
  const text = await redis.info("cpu");
  const of = (name) => Number(text.match(new RegExp(`${name}:([0-9.]+)`))[1]);
  return of("used_cpu_user_main_thread") + of("used_cpu_sys_main_thread");
}

// Microseconds in scripts since the last reset.
async function scripts() {
  const text = await redis.info("commandstats");
  const found = text.matchAll(/cmdstat_evalsha:calls=\d+,usec=(\d+)/g);
  return [...found].reduce((sum, match) => sum + Number(match[1]), 0);
}

async function measure(what, once) {
  await redis.config("RESETSTAT");
  const before = await cpu();
  let next = 0;
  const lane = async () => {
    for (let number = next++; number < NUMBER; number = next++) {
      await once(number);
    }
  };
  await Promise.all(Array.from({ length: TASKS }, lane));
  const seconds = (await cpu()) - before;
  const rate = (NUMBER / seconds).toFixed(0);
  const micros = ((seconds / NUMBER) * 1e6).toFixed(1);
  const inScripts = ((await scripts()) / NUMBER).toFixed(1);
  console.log(`${what}: ${rate} per second of Redis CPU, ${micros} µs each, ${inScripts} µs of it in scripts`);
}

await redis.flushall();
await queue.add("test", { seconds: 1.5 });
await (await worker.getNextJob("w")).moveToCompleted(null, "w", false);

for (const [what, reports] of [
  ["lifecycles (submit, claim, succeed)", 0],
  ["lifecycles with 4 reports each", 4],
]) {
  await measure(what, async () => {
    await queue.add("test", { seconds: 1.5 });
    const job = await worker.getNextJob("w", { block: false });
    for (let number = 0; job && number < reports; number++) {
      await job.updateProgress({ percent: number / 10, message: "converting pictures" });
    }
    await job?.moveToCompleted(null, "w", false);
  });
}

const jobs = [];
for (let number = 0; number < TASKS; number++) {
  await queue.add("test", { seconds: 1.5 });
  jobs.push(await worker.getNextJob("w", { block: false }));
}
await measure("progress reports", (number) =>
  jobs[number % TASKS].updateProgress({ percent: (number % 1_000) / 10, message: "converting pictures" }),
);

await worker.close(true);
await queue.close();
process.exit(0);
