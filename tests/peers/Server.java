import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;

/** A server by jdk.httpserver: Server PORT chunks|whole. It holds whole bodies, or passes over them chunk by chunk. */
class Server {
    static final int CHUNK = 1 << 16;

    public static void main(String[] words) throws IOException {
        boolean isWhole = words[1].equals("whole");
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(words[0])), 0);
        // A body that stands still must not hold up the others.
        server.setExecutor(Executors.newCachedThreadPool());
        server.createContext("/", exchange -> {
            try (exchange) {
                if (exchange.getRequestMethod().equals("GET")) {
                    give(exchange, isWhole);
                } else {
                    take(exchange, isWhole);
                }
            }
        });
        server.start();
    }

    static void take(HttpExchange exchange, boolean isWhole) throws IOException {
        InputStream body = exchange.getRequestBody();
        byte[] content = isWhole ? body.readAllBytes() : new byte[CHUNK];
        while (body.read(content) > 0) {}
        exchange.sendResponseHeaders(200, -1);
    }

    static void give(HttpExchange exchange, boolean isWhole) throws IOException {
        int size = Integer.parseInt(exchange.getRequestURI().getPath().substring(1));
        exchange.sendResponseHeaders(200, size);
        byte[] content = new byte[isWhole ? size : CHUNK];
        try (OutputStream body = exchange.getResponseBody()) {
            for (int left = size; left > 0; left -= content.length) {
                body.write(content, 0, Math.min(left, content.length));
            }
        }
    }
}
