# What the administrator of the pool does: looks for requests and approves them, until none has come for five minutes.
end=$(($(date +%s) + 300))
while [ "$(date +%s)" -lt $end ]; do
    for id in $(condor_token_request_list | sed -n 's/^RequestId = "\(.*\)"/\1/p'); do
        yes yes | condor_token_request_approve -reqid "$id"
    done
    sleep 2
done
