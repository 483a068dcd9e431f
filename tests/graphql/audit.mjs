// The audit of "GraphQL over HTTP" against the endpoint that ALLOD_URL names, as who bears ALLOD_TOKEN.
// Prints [{"id", "name", "status": "ok" | "notice" | "warn" | "error", "reason"}].
import { auditServer } from 'graphql-http';

const fetchFn = (url, options = {}) =>
  fetch(url, { ...options, headers: { ...options.headers, authorization: `Bearer ${process.env.ALLOD_TOKEN}` } });

const results = await auditServer({ url: process.env.ALLOD_URL, fetchFn });
console.log(JSON.stringify(results.map(({ id, name, status, reason }) => ({ id, name, status, reason }))));
