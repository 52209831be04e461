const TOKEN = "demo-crm-token";

export interface Person {
  id: string;
  name: string;
  email: string;
  company: { name: string } | null;
}

export const session = {
  get token() {
    return sessionStorage.getItem(TOKEN);
  },
  open: (token: string) => sessionStorage.setItem(TOKEN, token),
  close: () => sessionStorage.removeItem(TOKEN),
};

export async function graphql<T>(query: string, variables: Record<string, unknown> = {}): Promise<T> {
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (session.token) headers.authorization = `Bearer ${session.token}`;
  const response = await fetch("/graphql", { method: "POST", headers, body: JSON.stringify({ query, variables }) });
  const { data, errors } = await response.json();
  if (errors?.length) {
    if (errors[0].extensions?.code === "UNAUTHENTICATED") session.close();
    throw new Error(errors[0].message);
  }
  return data;
}

export async function login(email: string, password: string): Promise<void> {
  const query = "mutation ($email: String!, $password: String!) { login(email: $email, password: $password) { accessToken } }";
  const data = await graphql<{ login: { accessToken: string } }>(query, { email, password });
  session.open(data.login.accessToken);
}

export async function people(search: string): Promise<Person[]> {
  const query = "query ($search: String) { people(search: $search) { id name email company { name } } }";
  return (await graphql<{ people: Person[] }>(query, { search: search || null })).people;
}

export async function createPerson(name: string, email: string): Promise<void> {
  const query = "mutation ($name: String!, $email: String!) { createPerson(name: $name, email: $email) { id } }";
  await graphql(query, { name, email });
}

export async function logout(): Promise<void> {
  await graphql("mutation { logout }").finally(session.close);
}
