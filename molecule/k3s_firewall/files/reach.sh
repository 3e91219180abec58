# Asks every pod and the Service from every pod; prints what was not answered. Ends with the number of those.
kubectl="k3s kubectl --namespace firewall"
failures=0
service=$($kubectl get service web -o 'jsonpath={.spec.clusterIP}')
for target in on-s1 on-a1 service; do
    case $target in
    service) address=$service:80 ;;
    *) address=$($kubectl get pod "$target" -o 'jsonpath={.status.podIP}'):8080 ;;
    esac
    for source in on-s1 on-a1; do
        answer=$($kubectl exec "$source" -- wget -q -T 3 -O - "http://$address" 2>&1)
        case $answer in
        on-*) ;;
        *) echo "$source does not reach $target: $answer"; failures=$((failures + 1)) ;;
        esac
    done
done
exit "$failures"
