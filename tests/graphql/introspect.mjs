// Asks the endpoint that ALLOD_URL names for its schema as clients do, with every option that graphql-js has, and
// builds a client's schema from the answer, with two versions of graphql-js.
// Prints {"16": {"wrong": [...], "sdl", "oneOf"}, "17": ...}.
import * as graphql16 from 'graphql';
import * as graphql17 from 'graphql17';

async function ask(query) {
  const answer = await fetch(process.env.ALLOD_URL, {
    method: 'POST',
    headers: {
      accept: 'application/graphql-response+json',
      authorization: `Bearer ${process.env.ALLOD_TOKEN}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ query, operationName: 'IntrospectionQuery' }),
  });
  return { status: answer.status, ...(await answer.json()) };
}

async function checked(graphql) {
  const options = { specifiedByUrl: true, directiveIsRepeatable: true, schemaDescription: true, inputValueDeprecation: true, oneOf: true };
  const wrong = [];
  for (const asked of [{}, options, { ...options, experimentalDirectiveDeprecation: true }, { ...options, descriptions: false, typeDepth: 3 }]) {
    const query = graphql.getIntrospectionQuery(asked);
    const answer = await ask(query);
    if (answer.status !== 200 || answer.errors) wrong.push({ asked, status: answer.status, errors: answer.errors });
  }
  const answer = await ask(graphql.getIntrospectionQuery(options));
  if (!answer.data) return { wrong };
  const schema = graphql.buildClientSchema(answer.data);
  for (const error of graphql.validateSchema(schema)) wrong.push(error.message);
  // The schema says of introspection itself what the library knows of it: a client may ask for each part.
  const given = new Map(answer.data.__schema.types.map((type) => [type.name, type]));
  const library = graphql.introspectionFromSchema(schema, options).__schema.types;
  for (const type of library.filter((type) => type.name.startsWith('__'))) {
    const own = given.get(type.name);
    for (const list of ['fields', 'enumValues']) {
      for (const { name, args } of type[list] ?? []) {
        const found = (own?.[list] ?? []).find((other) => other.name === name);
        if (!found) wrong.push(`${type.name}.${name} is missing`);
        for (const arg of args ?? []) {
          if (!found?.args.some((other) => other.name === arg.name)) wrong.push(`${type.name}.${name}(${arg.name}:) is missing`);
        }
      }
    }
  }
  for (const { name } of graphql.specifiedDirectives) {
    if (!answer.data.__schema.directives.some((directive) => directive.name === name)) wrong.push(`@${name} is missing`);
  }
  const oneOf = Object.fromEntries(['INPUT_OBJECT', 'OBJECT', 'SCALAR'].map((kind) => [kind, answer.data.__schema.types.find((type) => type.kind === kind).isOneOf]));
  return { wrong, oneOf, sdl: graphql.printSchema(schema) };
}

console.log(JSON.stringify({ 16: await checked(graphql16), 17: await checked(graphql17) }));
