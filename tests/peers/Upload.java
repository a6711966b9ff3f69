import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;

/** Uploads a file by java.net.http: Upload chunks|whole URL FILE. Hands the file to the library, or all of its bytes. */
class Upload {
    public static void main(String[] words) throws Exception {
        Path file = Path.of(words[2]);
        BodyPublisher body = words[0].equals("whole")
            ? BodyPublishers.ofByteArray(Files.readAllBytes(file))
            : BodyPublishers.ofFile(file);
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        HttpRequest request = HttpRequest.newBuilder(URI.create(words[1])).PUT(body).build();
        System.exit(client.send(request, BodyHandlers.discarding()).statusCode() == 200 ? 0 : 1);
    }
}
