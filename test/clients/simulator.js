'use strict';

// Starts and stops `worker simulator` on a free port, and talks to its control endpoints.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const readline = require('node:readline');

const appKey = '12345678';
const secret = 'test-secret-not-real-0001';
const session = 'test-session-not-real-0001';

async function start(worker) {
  const child = spawn(
    worker,
    ['simulator', '--listen', '127.0.0.1:0', '--app-key', appKey, '--app-secret', secret, '--session', session, '-o', 'json'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const lines = readline.createInterface({ input: child.stdout });
  const failed = once(child, 'exit').then(([code]) => {
    throw new Error(`worker simulator ended with exit code ${code}`);
  });
  failed.catch(() => {}); // it ends in stop as well
  const [line] = await Promise.race([once(lines, 'line'), failed]);
  const urls = JSON.parse(line);

  async function control(verb, url, body) {
    const response = await fetch(url, { method: verb, body, headers: { connection: 'close' } });
    const text = await response.text();
    if (!response.ok) {
      throw new Error(`${verb} ${url}: ${response.status} ${text}`);
    }
    return text === '' ? null : JSON.parse(text);
  }

  return {
    gateway: urls.top,
    calls: () => control('GET', urls.calls),
    setFaults: (faults) => control('PUT', urls.faults, JSON.stringify(faults)),
    async reset() {
      await control('DELETE', urls.faults);
      await control('DELETE', urls.calls);
    },
    async stop() {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const [code] = await ended;
      return code;
    },
  };
}

module.exports = { start, appKey, secret, session };
